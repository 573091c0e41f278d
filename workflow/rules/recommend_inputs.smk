"""Functions for recommendations. They say which stored logits are compared."""


def logits_of_pairs(wildcards):
    """Input function: stored logits of all models that learn or teach, by split."""
    transfers = [row for row in planned_transfers() if row[2] != plan.NO_TEACHER]
    models = sorted({model for _, *pair, _ in transfers for model in pair})
    return {
        split: [f"<results>/logits/{split}/{model}.npy" for model in models]
        for split in ("transfer", "evaluation")
    }
