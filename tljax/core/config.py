"""Every setting of every command and its default, once.

A config file is plain Python that ends in one typed object named `config`; flags override it field by field.
"""

import dataclasses
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any, Literal, TypeVar

import tyro
from tyro.conf import Fixed, Positional

from tljax.core.errors import UserError
from tljax.core.typed import typed

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Fine-tune one network on one fold of one data set."""

    # What to train
    dataset: str = "phantom"
    """a task that `python -m tljax.datasets` lists"""
    init: str = "random"
    """imagenet | radimagenet | random | a converted weights folder | a run folder"""
    freeze: bool = False
    """first train the head alone on the frozen backbone, then everything"""
    train: Literal["all", "head", "last10"] = "all"
    """what is trained (with --freeze: in the second phase): all, the head, or the last 10 Keras layers and the head"""
    fold: int = 1
    """1..5"""
    seed: int = 0
    """of the random initialisation, the head, shuffling, augmentation and dropout"""
    tag: str = ""
    """added to the run folder's name, to tell runs of different settings apart"""

    # Where things lie
    data_dir: Path | None = None
    """the task's archive or its unpacked folder"""
    folds_dir: Path | None = None
    """published fold lists: <task>/{train,val,test}_fold<k>.csv"""
    weights_dir: Path | None = None
    """holds imagenet/ and radimagenet/; default $TLJAX_WEIGHTS, then ~/.cache/tljax/weights"""
    workdir: Path = Path("runs")
    """run folders are made here: <dataset>/<init>-<freeze|nofreeze>/fold<k>"""
    cache_dir: Path | None = None
    """prepared images; default $TLJAX_CACHE, then ~/.cache/tljax"""

    # The network
    backbone: str = "resnet50"
    """of a random initialisation, e.g. resnet50 or resnet_tiny; weights bring their own"""
    variant: str = "keras_v1"
    """of a random initialisation, e.g. keras_v1 or torch_v1.5; weights bring their own"""
    dropout: float | None = None
    """before the head; default 0.5, and 0 from random initialisation, as in the paper"""
    preprocessing: Literal["native", "paper"] = "native"
    """native: as the initial weights were trained; paper: BGR minus the ImageNet mean for all of them"""

    # The data
    folds: Literal["paper", "honest"] = "paper"
    """rule of our own folds: the paper's, or grouped and stratified with every image tested once"""
    image_size: int | None = None
    """pixels; default the paper's size for the task"""
    augment: Literal["paper", "none"] = "paper"
    """random rotation, shift, shear, zoom and flip of the training images"""
    skip_bad: bool = False
    """leave unreadable images out, and record them, instead of stopping"""
    storage: Literal["auto", "device", "stream"] = "auto"
    """where the images lie while training: in device memory if they fit, else streamed from disk"""

    # The optimisation
    batch_size: int | None = None
    """over all devices; default the paper's for the task"""
    epochs: int = 200
    """at most"""
    patience: int = 30
    """epochs without a better selection score before stopping"""
    learning_rate: float = 1e-5
    """of Adam, constant"""
    head_epochs: int = 200
    """at most, of the head alone (--freeze)"""
    head_patience: int = 10
    """epochs of the head alone without a better validation accuracy"""
    head_learning_rate: float = 1e-3
    """of Adam, while the head alone is trained"""
    select: Literal["val_auc", "val_loss", "last"] = "val_auc"
    """which epoch's weights are kept (and stop the training early); the paper's rule is val_loss"""
    precision: Literal["float32", "bfloat16"] | None = None
    """of the computation; default bfloat16 on GPU and TPU, float32 on CPU"""

    # Sight
    quiet: bool = False
    """no progress display"""
    tensorboard: bool = False
    """write TensorBoard event files into the run folder"""
    profile: bool = False
    """write a jax profiler trace of the second epoch into the run folder"""

    # Many hosts
    distributed: bool = False
    """this is one of several processes; found from SLURM, Open MPI or Kubernetes, or given by the three flags below"""
    coordinator: str | None = None
    """host:port of process 0"""
    num_processes: int | None = None
    process_id: int | None = None


@dataclasses.dataclass(frozen=True)
class DatasetsConfig:
    """The data sets there are, or one of them checked: counts, sizes, duplicates, folds and what leaks between them."""

    name: Positional[str | None] = None
    """the data set to check; without it, all are listed"""
    data_dir: Path | None = None
    """its archive or the unpacked folder"""
    folds_dir: Path | None = None
    """check these published fold lists instead of our own folds"""
    image_size: int | None = None
    """pixels; default the paper's size for the task"""
    figure: Path | None = None
    """draw a contact sheet, a row of images a class, to this PNG file"""
    out: Path | None = None
    """write every pair of duplicates, and what leaks between the parts of which fold, to this CSV file"""
    skip_bad: bool = False
    """leave unreadable images out, and record them, instead of stopping"""
    cache_dir: Path | None = None
    """prepared images; default $TLJAX_CACHE, then ~/.cache/tljax"""


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """Class probabilities of images, by a run or by converted weights."""

    network: Positional[str]
    """imagenet | radimagenet | a converted weights folder | a run folder"""
    images: Positional[tuple[Path, ...]]
    """image files, or folders of them"""
    out: Path | None = None
    """write all probabilities to this CSV file"""
    top: int = 3
    """classes shown for each image"""
    image_size: int | None = None
    """pixels; default the run's own, else 224"""
    resize: Literal["squash", "crop"] | None = None
    """squash: nearest pixel to a square, as in training; crop: the centre of the image scaled to 8/7 of the size, as
    ImageNet weights are tested. Default squash for runs, crop for weights"""
    batch_size: int = 32
    skip_bad: bool = False
    """leave unreadable images out instead of stopping"""
    weights_dir: Path | None = None
    """holds imagenet/ and radimagenet/"""


@dataclasses.dataclass(frozen=True)
class FeaturesConfig:
    """The features of images, by any network, as a NumPy file."""

    network: Positional[str]
    """imagenet | radimagenet | random | random:SEED | a converted weights folder | a run folder"""
    images: Positional[tuple[Path, ...]] = ()
    """image files, or folders of them; or a task with --dataset"""
    out: Path = Path("features.npz")
    """this file: `features` (n c, float32) and `files`, with --dataset `labels`, with --layers `layer:<name>`"""
    dataset: str | None = None
    """a task that `python -m tljax.datasets` lists, instead of image files"""
    data_dir: Path | None = None
    """the task's archive or its unpacked folder"""
    layers: str = ""
    """layers to write as well, averaged over positions: names with commas between them, or named, or all"""
    image_size: int | None = None
    """pixels; default the task's size, or a run's own, else 224"""
    resize: Literal["squash", "crop"] | None = None
    """of image files. squash: nearest pixel to a square, as in training; crop: the centre of the image scaled to 8/7 of
    the size, as ImageNet weights are tested. Default squash for runs, crop for weights"""
    preprocessing: Literal["native", "paper"] = "native"
    """native: as the weights were trained; paper: BGR minus the ImageNet mean"""
    backbone: str = "resnet50"
    """of a random network"""
    variant: str = "keras_v1"
    """of a random network"""
    precision: Literal["float32", "bfloat16"] | None = None
    """of the computation; default bfloat16 on GPU and TPU, float32 on CPU; features are float32 either way"""
    batch_size: int = 32
    skip_bad: bool = False
    """leave unreadable images out instead of stopping"""
    weights_dir: Path | None = None
    """holds imagenet/ and radimagenet/"""
    cache_dir: Path | None = None
    """prepared images and kept features; default $TLJAX_CACHE, then ~/.cache/tljax"""


@dataclasses.dataclass(frozen=True)
class SlurmConfig:
    """What each job of a SLURM cluster is given; passed on to sbatch."""

    partition: str | None = None
    gres: str | None = None
    """e.g. gpu:1"""
    minutes: int = 720
    """of a job; a run that is unfinished by then goes on in another one"""
    memory: str | None = None
    """e.g. 32G"""
    cpus: int | None = None
    parallel: int = 64
    """jobs at a time, at most"""


@dataclasses.dataclass(frozen=True)
class StudyConfig:
    """A grid of fine-tunings, every comparison between them, and the tables of both.

    The grid is tasks x folds x seeds x preprocessings x recipes x inits x freezes; a random backbone is never frozen.
    """

    # The grid
    tasks: tuple[str, ...] = ("phantom",)
    """data sets that `python -m tljax.datasets` lists"""
    inits: tuple[str, ...] = ("imagenet", "radimagenet", "random")
    """as --init of tljax.train, or the data set of one of the `pretrain` runs"""
    freezes: tuple[bool, ...] = (False, True)
    """whether the head is trained first, on the frozen backbone"""
    folds: tuple[int, ...] = (1, 2, 3, 4, 5)
    seeds: tuple[int, ...] = (0,)
    preprocessings: tuple[Literal["native", "paper"], ...] = ("native",)
    recipes: Fixed[tuple[dict[str, Any], ...]] = ({},)
    """settings of TrainConfig that vary together, each recipe with a `tag` of its own"""

    # The settings of every run
    train: TrainConfig = TrainConfig()
    """shared by all runs, but for what the grid says"""
    overrides: Fixed[dict[str, dict[str, Any]]] = dataclasses.field(default_factory=dict)
    """settings of TrainConfig that one task has for itself, by task: data_dir, image_size, ..."""
    pretrain: Fixed[tuple[TrainConfig, ...]] = ()
    """runs that come first, and whose networks are initialisations, named by their data set"""

    # The comparisons
    protocols: tuple[Literal["paper", "full"], ...] = ("paper", "full")
    """how hidden representations are compared; without a name, not at all"""
    measures: tuple[str, ...] = ("cca", "debiased_cka")

    # How it is run
    workdir: Path = Path("study")
    """run folders, comparisons and tables are made here; a study that was interrupted goes on"""
    keep: Literal["best", "none"] = "best"
    """what stays of a run's weights once it is compared: those of its best epoch, or nothing, and then no comparison
    (protocol, measure, initialisation) can be added later"""
    only: str = ""
    """of the grid, e.g. 'breast,imagenet,fold1': words are tasks, inits, freeze, nofreeze, fold<k>, seed<n> or tags"""
    dry_run: bool = False
    """print the grid and what it will take, and stop"""
    launcher: Literal["local", "slurm"] = "local"
    """local: one worker process for each GPU, or one on CPU; slurm: job arrays"""
    slurm: SlurmConfig = SlurmConfig()


@dataclasses.dataclass(frozen=True)
class CompareConfig:
    """How alike networks represent the images of a task, layer by layer."""

    networks: Positional[tuple[str, ...]]
    """two or more of: imagenet | radimagenet | random | random:SEED | a converted weights folder | a run folder"""
    dataset: str = "phantom"
    """the task whose images the networks are shown"""
    split: Literal["test", "val", "train", "all"] = "test"
    """of the fold, or all images"""
    fold: int = 1
    """1..5"""
    protocol: Literal["paper", "full"] = "full"
    """paper: 64 channels and about 10,000 positions drawn five times; full: all channels of all images"""
    measures: tuple[str, ...] = ("cca", "debiased_cka")
    """any of the files of tljax/similarity that are measures, or all"""
    layers: Literal["named", "all"] = "named"
    """named: conv1 and the four stages, each with its like; all: every block with every block"""
    pool: Literal["none", "gap"] = "none"
    """none: each position of an image is a sample; gap: each image is one, averaged over its positions"""
    preprocessing: Literal["native", "paper"] = "native"
    """native: as each network's weights were trained; paper: BGR minus the ImageNet mean for all of them"""
    backbone: str | None = None
    """of random networks; default that of the first of the others, else resnet50"""
    variant: str | None = None
    """of random networks; default that of the first of the others, else keras_v1"""
    out: Path | None = None
    """write the table to this CSV file, beside it a figure (.png) and, by the paper's protocol, CCA_<dataset>.csv"""
    batch_size: int = 32
    seed: int = 0
    """of what is drawn: blocks of images, and the paper's images and channels"""
    data_dir: Path | None = None
    """the task's archive or its unpacked folder"""
    folds_dir: Path | None = None
    """published fold lists: <task>/{train,val,test}_fold<k>.csv"""
    folds: Literal["paper", "honest"] = "paper"
    """rule of our own folds"""
    weights_dir: Path | None = None
    """holds imagenet/ and radimagenet/"""
    cache_dir: Path | None = None
    """prepared images; default $TLJAX_CACHE, then ~/.cache/tljax"""
    image_size: int | None = None
    """pixels; default the paper's size for the task"""


# Settings that change nothing of the result: what is shown of a run, and the processes that share it.
SIGHT_AND_HOSTS = ("quiet", "tensorboard", "profile", "distributed", "coordinator", "num_processes", "process_id")
# Settings in which a resumed run may differ: those, where things lie, and storage, which changes rounding only.
INCIDENTAL = ("data_dir", "folds_dir", "weights_dir", "workdir", "cache_dir", "storage", *SIGHT_AND_HOSTS)


def load_config(path: Path, kind: type[T]) -> T:
    """The object named `config` of a config file. Raises UserError that names the file and line at fault."""
    if not path.is_file():
        raise UserError(f"no config file {path}; examples lie in configs/")
    try:
        found = runpy.run_path(str(path)).get("config")
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = f", line {frames[-1].lineno}" if frames else ""
        raise UserError(f"config file {path}{line}: {type(error).__name__}: {error}") from error
    if not isinstance(found, kind):
        held = "no object named 'config'" if found is None else f"a {type(found).__name__} named 'config'"
        raise UserError(f"config file {path} ends in {held}; this command wants a {kind.__name__}")
    return typed(found, f"config file {path}: ")


def parse(kind: type[T], program: str, args: list[str] | None = None) -> T:
    """The settings of a command: defaults, then `--config FILE`, then the flags."""
    about = (
        "--config FILE reads the settings from a Python file that ends in `config` (see configs/); flags override it."
    )
    args = list(sys.argv[1:] if args is None else args)
    given = {}
    for index, argument in enumerate(args):
        name, _, value = argument.partition("=")
        if name == "--config":
            if not value and index + 1 == len(args):
                raise UserError("--config wants a file")
            given = {"default": load_config(Path(value or args[index + 1]), kind)}
            del args[index : index + (1 if value else 2)]
            break
    return tyro.cli(kind, args=args, prog=program, description=f"{kind.__doc__}\n\n{about}", **given)


def to_json(config: Any) -> dict[str, Any]:
    """A config as plain JSON values."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in dataclasses.asdict(config).items()}
