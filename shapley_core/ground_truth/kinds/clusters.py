"""Cluster explanation: the players are features, the clusters are found with all of them.

A coalition is worth how well its features alone tell the clusters.
"""

import numpy as np
from numpy.typing import NDArray

from .recipe import Floats, Recipe, Setting, one_by_one
from .tables import Table


def k_means(X: Floats, n_clusters: int) -> tuple[Floats, NDArray[np.intp]]:
    """Centres and the cluster of each row."""
    from sklearn.cluster import KMeans

    model = KMeans(n_clusters, n_init=10, random_state=0).fit(X)
    return np.asarray(model.cluster_centers_), np.asarray(model.labels_, dtype=np.intp)


def agreement(raw: Table, n_clusters: int) -> Setting:
    """The adjusted Rand index of the clusters and those of the nearest centres in S.

    Without features every row goes to one cluster, which agrees by chance alone: 0.
    """
    from sklearn.metrics import adjusted_rand_score

    table = raw.standardised()
    centres, labels = k_means(table.X, n_clusters)
    squares = (table.X[:, None, :] - centres) ** 2

    def worth(players: NDArray[np.intp]) -> float:
        return float(adjusted_rand_score(labels, squares[:, :, players].sum(axis=2).argmin(axis=1)))

    return Setting(one_by_one(worth), table.columns)


def wine_agreement(table: Table) -> Setting:
    """Three clusters of wines."""
    return agreement(table, 3)


def breast_cancer_agreement(table: Table) -> Setting:
    """Two clusters of tumours."""
    return agreement(table, 2)


def diabetes_silhouette(raw: Table) -> Setting:
    """The mean silhouette that four clusters of patients have in the features of S."""
    from sklearn.metrics import silhouette_score

    table = raw.standardised()
    _, labels = k_means(table.X, 4)

    def worth(players: NDArray[np.intp]) -> float:
        return float(silhouette_score(table.X[:, players], labels)) if len(players) else 0.0

    return Setting(one_by_one(worth), table.columns)


AGREEMENT = (
    "players are features; a coalition is worth the adjusted Rand index of the clusters that its "
    "features assign the rows to"
)

RECIPES = [
    Recipe(
        name="clusters/wine_agreement",
        description=AGREEMENT,
        table="wine",
        model="k-means, 3 clusters",
        absent="left out of the distances to the centres",
        build=wine_agreement,
    ),
    Recipe(
        name="clusters/breast_cancer_agreement",
        description=AGREEMENT,
        table="breast_cancer",
        model="k-means, 2 clusters",
        absent="left out of the distances to the centres",
        build=breast_cancer_agreement,
    ),
    Recipe(
        name="clusters/diabetes_silhouette",
        description=(
            "players are features; a coalition is worth the mean silhouette of the clusters in "
            "its features"
        ),
        table="diabetes",
        model="k-means, 4 clusters",
        absent="left out of the distances; no features are worth 0",
        build=diabetes_silhouette,
    ),
]
