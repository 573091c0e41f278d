"""A recommendation for one student, as a table and in words."""

from transfer_atlas.recommend.advice import covariances_of, learnable, recommend_teachers, transfers_by_method
from transfer_atlas.recommend.check import noise_ceiling
from transfer_atlas.recommend.text import format_recommendation


def recommend(student, complementarity, models, transfers=None, checks=None, covariances=None):
    """Rank all other models as teachers of one student.

    Args:
        student: name of the student.
        complementarity: the complementarity table.
        models: the models table.
        transfers: the transfers table; None where no transfer is done yet.
        checks: the recommendation_checks table; None likewise.
        covariances: the delta_covariances table; None where errors count as independent.

    Returns:
        (table, text): the recommendations table, and what it says in words.

    Raises:
        InputError: no such student among the compared models.
    """
    by_method = transfers_by_method(transfers, complementarity, models)
    learned = learnable(by_method)
    ranked = recommend_teachers(student, complementarity, models, learned, covariances)
    ceilings = {method: noise_ceiling(rows, covariances_of(covariances, method)) for method, rows in learned.items()}
    images = int(complementarity["images"].iloc[0])
    done = max(map(len, by_method.values()), default=0)
    return ranked, format_recommendation(ranked, checks, ceilings, images, done)
