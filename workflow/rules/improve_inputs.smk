"""Functions for improved students. They say which transfers are tried."""


def models_to_try(wildcards):
    """Parameter function: rows of the zoo sheet of a student, and of the teachers that are tried to improve it."""
    pairs = (pair for pair in IMPROVE_PAIRS if pair["student"] == wildcards.student)
    return [
        ZOO[name] for name in [wildcards.student, *(pair["teacher"] for pair in pairs)]
    ]


def improve_inputs(wildcards):
    """Input function: files of a student, and of all transfers that are tried to improve it."""
    pairs = [pair for pair in IMPROVE_PAIRS if pair["student"] == wildcards.student]
    tried = plan.transfers_of(pairs, IMPROVE_METHODS)
    files = transfer_files(wildcards.student, [])
    files["tables"] = [row_file("improve", row) for row in tried]
    files["tried_weights"] = [row_file("improve", row, ".safetensors") for row in tried]
    return files
