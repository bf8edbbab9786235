"""How every figure is drawn and kept: one style, and SVG, PDF and PNG of each."""
