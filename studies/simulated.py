"""Every model on cells whose types are known, drawn anew five times: docs/simulated.csv.

make models-page    (continues docs/simulated.csv where it stopped)

Called through the library, since 2,500 jobs of the workflow would take longer to start than to run.
"""

import multiprocessing
import sys
import time

import numpy as np
import pandas as pd
import yaml
from common import ROOT
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from scae.config import loader
from scae.data import expression as expressions
from scae.data import preprocessing, thinning
from scae.evaluation import held_out, kmeans, neighbors
from scae.models import pca, registry
from scae.sources import simulation
from scae.training import fitting, trained

TABLE = ROOT / "docs/simulated.csv"
DRAWS, SEEDS = 5, 2
REPEAT = 1  # of the split of the molecules
ALL, HALF = "all", "training half"  # the molecules that a representation is learned from
SIZES = {"dae": (6,), "beta_vae": (6,), "beta_vsc": (6,), "count_vae": (4, 10, 20)}
# The study's models train until the loss of held-out cells has not fallen for 1,000 gradient steps
TRAINING = {"batch_size": 64, "min_steps": 20000, "holdout": 0.1, "early_stopping": 1000}
FILES = ("config", "models", "schema")
CHOSEN_FROM = ("pca", "count_vae")  # as `snakemake choose` does
EXTERNAL, EXTERNAL_SIZES = "scvi", (10, 20)  # slow: one seed


def settings():
    """config/models.yaml merged into the default config, with all defaults, and training to a plateau."""
    config, own, schema = (yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in FILES)
    return loader.load(config | own | {"training": config["training"] | TRAINING}, schema)


def expression_of(counts):
    """Expression of all genes, log-normalised, with the counts."""
    counts = counts.sorted_indices()
    normalized = preprocessing.log_normalize(counts, 1e4)
    names = (np.arange(size).astype(str).astype(object) for size in counts.shape)
    arrays = normalized.indptr.astype(np.int64), normalized.indices.astype(np.int32), normalized.data
    return expressions.Expression(*arrays, np.zeros(counts.shape[1], np.float32), *names, counts=counts.data)


def represent(counts, config, trainings):
    """Yield (model, size, seed, latent, CPU seconds) of each training, of PCA of every size first.

    Args:
        counts: scipy CSR matrix, (cells, genes).
        config: as from `settings`.
        trainings: list of (model, size, seed).
    """
    data = expression_of(counts)
    began = time.process_time()
    points = pca.embed(data, 0, max(held_out.SIZES))
    seconds = time.process_time() - began
    for size in held_out.SIZES:
        yield "pca", size, 0, points[:, :size], seconds
    for model, size, seed in trainings:
        began = time.process_time()
        latent = learn(config["models"][model] | {"n_latent": size}, data, counts, config["training"], seed)
        yield model, size, seed, latent, time.process_time() - began


def learn(entry, data, counts, training, seed):
    """The latent of a trained model, an entry of ``models`` in the config; (cells, latents)."""
    kind = registry.find(entry["kind"])
    hyperparameters = {key: value for key, value in kind.settings(entry).items() if key != "kind"}
    if kind.external:
        return registry.call(entry["kind"], "fit", counts, None, seed, **hyperparameters)["latent"]
    training = fitting.resolve(training | kind.training(entry), data.density)
    training = fitting.with_enough_steps(training, len(data.cells))
    fitted, *_ = fitting.fit(data, entry["kind"], hyperparameters, training, seed)
    return trained.embed(fitted, data, "posterior_mean", seed)


def plan(draw):
    """{molecules: [(model, number of latents, seed)]} of what is trained on a draw: everything on the first."""
    own = [(model, size, seed) for seed in range(SEEDS) for model, sizes in SIZES.items() for size in sizes]
    external = [(EXTERNAL, size, 0) for size in EXTERNAL_SIZES]
    half = [training for training in own if training[2] == 0]
    if draw == 0:
        return {ALL: own + external, HALF: half + external}
    return {ALL: own + external[:1], HALF: [training for training in half if training[0] in CHOSEN_FROM]}


def measure(dataset, draw, config, trainings):
    """Scores of PCA and trained models on one draw of a data set.

    Args:
        dataset: name in the config.
        draw: seed of the simulated cells.
        config: as from `settings`.
        trainings: as from `plan`.

    Returns:
        pandas.DataFrame: a row for each of dataset, draw, molecules, model, n_latent, seed; knn_accuracy, ari, CPU
        seconds; on the training half also held_out, and size and chosen as of `held_out.choice`.
    """
    cells = simulation.simulate(config["datasets"][dataset]["simulation"] | {"seed": draw})
    counts = sparse.csr_matrix(cells.X)[:, np.asarray((cells.X > 0).sum(axis=0)).ravel() >= 3].tocsr()
    types = cells.obs["type"].to_numpy().astype(str)
    half = held_out.Half(*thinning.split(counts, 0.5, np.random.default_rng([REPEAT, 0])))
    rows, nats = [], {}
    for molecules, matrix in ((ALL, counts), (HALF, half.train.tocsr())):
        for model, size, seed, latent, seconds in represent(matrix, config, trainings[molecules]):
            accuracy = neighbors.balanced_accuracy(types, neighbors.knn_predict(latent, types))
            clusters = kmeans.kmeans(latent, len(set(types)), config["kmeans"], seed)
            score = adjusted_rand_score(types, clusters)
            rows.append((dataset, draw, molecules, model, size, seed, accuracy, score, seconds))
            if molecules == HALF:
                nats[model, size] = held_out.nats(latent, half)
    columns = ["dataset", "draw", "molecules", "model", "n_latent", "seed", "knn_accuracy", "ari", "seconds"]
    tested = held_out.molecules(half.test)
    chosen = held_out.choice({key: one for key, one in nats.items() if key[0] in CHOSEN_FROM}, tested)
    scores = pd.DataFrame([(HALF, *key, held_out.score(one, tested)) for key, one in nats.items()])
    scores.columns = ["molecules", "model", "n_latent", "held_out"]
    scores = scores.merge(chosen[["model", "n_latent", "size", "chosen"]], how="left")
    return pd.DataFrame(rows, columns=columns).merge(scores, how="left")


def _measure(job):
    return measure(*job, settings(), plan(job[1]))


if __name__ == "__main__":
    processes, config = int(sys.argv[1]), settings()
    simulated = [name for name, dataset in config["datasets"].items() if dataset["source"] == "simulated"]
    found = [pd.read_csv(TABLE)] if TABLE.exists() else []
    done = set(zip(found[0]["dataset"], found[0]["draw"], strict=True)) if found else set()
    jobs = [(name, draw) for draw in range(DRAWS) for name in simulated if (name, draw) not in done]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for job, table in zip(jobs, pool.imap(_measure, jobs), strict=True):
            found.append(table)
            pd.concat(found).round(5).to_csv(TABLE, index=False)
            print(*job, flush=True)
