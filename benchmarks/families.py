"""Times a training step and inference of a family's network, by tljax and by a PyTorch library.

    OMP_WAIT_POLICY=passive python -m benchmarks.families [--network vit_small_patch16_224] [--batch-size 8]

This is for a CPU. The library is timm, or torchvision for DenseNets and Inception V3, without its auxiliary classifier.
timm's transformers compute attention by torch's `scaled_dot_product_attention`. A step is a forward pass, a backward
pass and Adam, in float32. Inference gives the features of a batch. tljax and the library take turns in one process. The
values are seconds of CPU time: medians over the rounds, without the first one.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
import tyro
from flax import nnx

from benchmarks.peers import Peer, convnext, densenet, dinov3, inception, vit
from benchmarks.training import in_turns
from tljax import models

CLASSES = 7
PEERS = {  # family -> our variant, and the library's network by our architecture
    "convnext": ("torch", lambda name: convnext.by_timm("convnext_{}", name)),
    "densenet": ("torch", lambda name: densenet.by_torchvision(name, None)),
    "inception_v3": ("torch", lambda name: inception.without_auxiliary(inception.v3_by_torchvision(name, None))),
    "inception_resnet_v2": ("torch", lambda name: inception.resnet_v2_by_timm(name, None)),
    "vit": ("timm", lambda name: vit.by_timm("vit_{}_patch16_224", name)),
    "dinov3": ("no_bias", lambda name: dinov3.by_timm("", name, None)),
}


class Ours:
    """Our network, its step and its inference compiled."""

    def __init__(self, network: str, variant: str, images: np.ndarray, labels: np.ndarray):
        model = models.build(network, variant, CLASSES, dropout=0.0)
        graph, self.parameters, self.rest = nnx.split(model, nnx.Param, ...)
        model.eval()
        in_inference = nnx.graphdef(model)
        optimiser = optax.adam(1e-5)
        self.state, self.images = optimiser.init(self.parameters), jnp.asarray(images)
        targets = jax.nn.one_hot(labels, CLASSES)

        def loss(parameters, rest, images):
            network = nnx.merge(graph, parameters, rest, copy=True)
            logits = network.classify(network.features(images)[0])
            return jnp.mean(optax.softmax_cross_entropy(logits, targets)), nnx.state(network, nnx.Not(nnx.Param))

        @jax.jit
        def step(parameters, rest, state, images):
            gradient, rest = jax.grad(loss, has_aux=True)(parameters, rest, images)
            updates, state = optimiser.update(gradient, state, parameters)
            return optax.apply_updates(parameters, updates), rest, state

        @jax.jit
        def infer(parameters, rest, images):
            return nnx.merge(in_inference, parameters, rest, copy=True).features(images)[0]

        self._step, self._infer = step, infer

    def step(self) -> None:
        self.parameters, self.rest, self.state = self._step(self.parameters, self.rest, self.state, self.images)
        jax.block_until_ready(self.parameters)

    def infer(self) -> None:
        self._infer(self.parameters, self.rest, self.images).block_until_ready()


class Theirs:
    """The library's network, with a linear head on its features."""

    def __init__(self, peer: Peer, width: int, images: np.ndarray, labels: np.ndarray):
        self.peer, self.head = peer, torch.nn.Linear(width, CLASSES)
        self.optimiser = torch.optim.Adam([*peer.network.parameters(), *self.head.parameters()], 1e-5)
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        self.labels = torch.from_numpy(labels)

    def step(self) -> None:
        self.peer.network.train()
        self.optimiser.zero_grad()
        logits = self.head(self.peer.features(self.images))
        torch.nn.functional.cross_entropy(logits, self.labels).backward()
        self.optimiser.step()

    def infer(self) -> None:
        self.peer.network.eval()
        with torch.inference_mode():
            self.peer.features(self.images)


def main(network: str = "vit_small_patch16_224", side: int = 224, batch_size: int = 8, rounds: int = 5) -> None:
    variant, make = PEERS[models.family_of(network)]
    width = models.shapes(network, variant, 1)["head.kernel"][0]
    images = np.random.default_rng(0).standard_normal((batch_size, side, side, 3), np.float32)
    labels = np.arange(batch_size) % CLASSES
    ours, theirs = Ours(network, variant, images, labels), Theirs(make(network), width, images, labels)
    print(f"CPU, {torch.get_num_threads()} torch threads; jax {jax.__version__}, torch {torch.__version__}")
    for name in ("step", "infer"):
        found = in_turns(rounds, {"ours": getattr(ours, name), "theirs": getattr(theirs, name)})
        seconds = f"ours {found['ours']:.3f} s, theirs {found['theirs']:.3f} s, {found['ours'] / found['theirs']:.2f}"
        print(f"{network}, {side} px, batch {batch_size}, {name}: {seconds}")


if __name__ == "__main__":
    tyro.cli(main)
