"""The original study as one sequential script: CSV in, dense training, scikit-learn's t-SNE, k-means and scores out.

    python benchmarks/study_recipe.py EXPORT_FOLDER EPOCHS

EXPORT_FOLDER holds expression.csv.gz and labels.csv, as the rule export_csv writes them.
"""

import sys
from itertools import islice
from pathlib import Path

import dense_loop
import pandas as pd
import torch
from sklearn import metrics
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE

folder, n_epochs = Path(sys.argv[1]), int(sys.argv[2])
expression = torch.tensor(pd.read_csv(folder / "expression.csv.gz", index_col=0).to_numpy("float32"))
labels = pd.read_csv(folder / "labels.csv", index_col=0)["label"]

for name in dense_loop.MODELS:
    *_, (model, loss) = islice(dense_loop.epochs(name, expression), n_epochs)
    with torch.no_grad():
        hidden = model.encoder(expression)
        latent = (model.code if name == "dae" else model.mu)(hidden)
        latent = latent.relu() if name == "dae" else latent
    flat = TSNE(2, perplexity=40, random_state=0).fit_transform(latent)
    TSNE(3, perplexity=40, random_state=0).fit_transform(latent)
    clusters = KMeans(labels.nunique(), n_init=100, random_state=0).fit_predict(flat)
    print(name, f"NMI {metrics.normalized_mutual_info_score(labels, clusters):.3f}", flush=True)
