"""torchvision's ResNets cut by users with `nn.Sequential(*list(resnet50().children())[:-1])`: numbered children."""

from dataclasses import replace
from functools import partial

from tljax.weights.formats import radimagenet_torch, torchvision

LAYERS = radimagenet_torch.numbered(prefix="")

FORMAT = replace(
    torchvision.FORMAT,
    title="PyTorch, torchvision's children, numbered",
    stem=LAYERS.stem(),
    identify=partial(LAYERS.identify, variant="torch_v1.5"),
    names=LAYERS.names,
    own_head=None,
    exports=False,
    rule="numbered children without biases: strides assumed as torchvision's (v1.5), input as for ImageNet "
    "(RGB / 255, mean and std); if they are RadImageNet's, use --normalisation radimagenet_torch",
)
