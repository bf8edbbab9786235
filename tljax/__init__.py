"""tljax: which pre-training should I start from, how much does it gain me, and what does fine-tuning change inside?"""

__version__ = "0.2.0"
