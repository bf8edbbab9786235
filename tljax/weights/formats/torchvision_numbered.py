"""torchvision's network as users cut it, `nn.Sequential(*list(resnet50().children())[:-1])`: its children by number."""

from dataclasses import replace
from functools import partial

from tljax.weights.formats import radimagenet_torch, torchvision

LAYERS = radimagenet_torch.numbered(prefix="")

FORMAT = replace(
    torchvision.FORMAT,
    title="PyTorch, torchvision's children by number",
    stem=LAYERS.stem(),
    identify=partial(LAYERS.identify, variant="torch_v1.5"),
    names=LAYERS.names,
    own_head=None,
    exports=False,
    rule="numbered children without biases: strides taken as torchvision's (v1.5), input as ImageNet's "
    "(RGB / 255, mean and std); if they are RadImageNet's, say --normalisation radimagenet_torch",
)
