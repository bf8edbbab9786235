"""Writes scores.json: transferability scores by their authors' published code, on features made here.

    python tests/golden/make_scores.py FOLDER

FOLDER holds clones of github.com/thuml/LogME (commit 56551ca), TencentARC/SFDA (3b7edf7), BUserName/NCTI (b18d395),
dbolya/parc (ddfca43), Long-Kai/TransRate (247d41a), YaojieBao/An-Information-theoretic-Metric-of-Transferability
(9a3f2d3), and google-research/google-research (1d4d2f1) with its folder stable_transfer. Their code is run, not kept;
TensorFlow, of which it uses a few array functions, is replaced by NumPy.

`features` of `data()` are what the tests make again; every number is rounded to nothing.
"""

import importlib.util
import json
import sys
import tempfile
import types
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("scores.json")
CASES = {  # images, features, classes, scale
    "two classes": (120, 40, 2, 0.2),
    "three classes": (150, 30, 3, 0.15),
    "more features than images": (60, 90, 2, 0.05),
    "eighty features": (140, 80, 3, 0.05),
    "large features": (140, 80, 2, 1.0),
}


def data(case: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features `n d`, labels `n` and source probabilities `n 8` of a case, the same on every machine."""
    count, channels, classes, scale = CASES[case]
    rng = np.random.default_rng(list(CASES).index(case))
    labels = np.arange(count) % classes
    features = np.maximum(rng.normal(size=(count, channels)) + 0.3 + rng.normal(size=(classes, channels))[labels], 0)
    logits = rng.normal(size=(count, 8)) + rng.normal(size=(classes, 8))[labels]
    return features * scale, labels, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def load(file: Path, name: str) -> types.ModuleType:
    """A module from a file of a clone."""
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numpy_as_tensorflow() -> types.ModuleType:
    """The few functions that stable_transfer's GBC calls."""
    found = types.ModuleType("tensorflow")
    found.reduce_sum, found.reduce_mean, found.exp, found.maximum, found.equal = (
        np.sum,
        np.mean,
        np.exp,
        np.maximum,
        np.equal,
    )
    found.where, found.gather_nd = (lambda mask: np.argwhere(mask)), (lambda array, index: array[index[:, 0]])
    found.unique = lambda labels: (np.unique(labels), None)
    found.math = types.SimpleNamespace(log=np.log, reduce_variance=lambda array, axis: array.var(axis=axis))
    return found


def stub(name: str, **attributes) -> None:
    sys.modules[name] = types.ModuleType(name)
    for key, value in attributes.items():
        setattr(sys.modules[name], key, value)


def authors(folder: Path) -> dict[str, object]:
    """The functions that compute each score."""
    stub("numba", njit=lambda function=None, **_: function if callable(function) else (lambda inner: inner))
    sys.modules["tensorflow"] = numpy_as_tensorflow()
    stub("stable_transfer")
    stub("stable_transfer.transferability")
    stub("stable_transfer.transferability.transfer_experiment", load_or_compute=lambda function: function)
    sys.modules["stable_transfer.transferability"].transfer_experiment = sys.modules[
        "stable_transfer.transferability.transfer_experiment"
    ]
    sys.path.insert(0, str(folder / "SFDA"))
    logme = load(folder / "LogME" / "LogME.py", "logme")
    leep = load(folder / "LogME" / "LEEP.py", "leep").LEEP
    sfda = load(folder / "SFDA" / "metrics.py", "sfda")
    ncti = load(folder / "NCTI" / "metrics.py", "ncti")
    sys.path.insert(0, str(folder / "parc"))
    for unused in ("constants", "datasets", "utils"):
        stub(unused)
    parc = load(folder / "parc" / "methods.py", "parc")
    spearman = parc.scipy.stats.spearmanr  # equal labels are equally far apart; their code leaves that to rounding
    parc.scipy.stats.spearmanr = lambda a, b: spearman(a.round(12), b.round(12))
    rate = load(folder / "TransRate" / "generate_transrate" / "transrate.py", "transrate")
    rate_logs = load(folder / "TransRate" / "extract_result_utils.py", "transrate_logs")
    gbc = load(folder / "google-research" / "stable_transfer" / "transferability" / "gbc.py", "gbc")
    source = (
        folder
        / "An-Information-theoretic-Metric-of-Transferability"
        / "3D_scene_understanding"
        / "H-score_1st_order.py"
    )
    h_score: dict = {"np": np}
    text = source.read_text()
    exec(text[text.index("def getCov") : text.index("def getDiffNNCov")], h_score)

    def nleep(features, labels):
        from sklearn.decomposition import PCA
        from sklearn.mixture import GaussianMixture

        points = PCA(n_components=0.8).fit_transform(features)
        mixture = GaussianMixture(n_components=5 * len(set(labels)), random_state=0).fit(points)
        return leep(mixture.predict_proba(points), labels)

    def transrate(features, labels):
        centred = features - features.mean(axis=0)
        with tempfile.TemporaryDirectory() as place:
            rate.transrate_eig(centred, labels, place)
            whole, parts = rate_logs.process_transrate_logs(
                f"{place}/Z_centralized.pkl", eps=1e-4, opt_active_eigs="all", normalize_opt="none"
            )
        return whole - parts

    def logme_alphas(features, labels):
        fitted = logme.LogME()
        fitted.fit(features, labels)
        return fitted.alphas

    return {
        "logme": lambda x, y, s: logme.LogME().fit(x, y),
        "logme_alphas": lambda x, y, s: logme_alphas(x, y),
        "logme_icml": lambda x, y, s: logme.LogME()._fit_icml(x, y),
        "leep": lambda x, y, s: leep(s, y),
        "nleep": lambda x, y, s: nleep(x, y),
        "parc": lambda x, y, s: parc.PARC().get_parc_correlation(x, np.eye(y.max() + 1)[y]) / 100,
        "sfda": lambda x, y, s: sfda.SFDA_Score(x.copy(), y),
        "ncti": lambda x, y, s: ncti.NCTI_Score(x, y),
        "gbc_diagonal": lambda x, y, s: gbc.get_gbc_score(x, y, "diagonal"),
        "transrate": lambda x, y, s: transrate(x, y),
        "h_score": lambda x, y, s: h_score["getDiffNN"](x, y),
    }


def main() -> None:
    functions = authors(Path(sys.argv[1]))
    found: dict[str, dict] = {}
    for case in CASES:
        features, labels, source = data(case)
        found[case] = {}
        for name, function in functions.items():
            try:
                found[case][name] = np.asarray(function(features, labels, source), float).tolist()
            except Exception as error:
                print(case, name, "not by the authors' code:", repr(error), file=sys.stderr)
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
