"""Functions for improved students. They say which transfers are tried."""


def teachers_to_try(student):
    """Names of the teachers that are tried to improve a student."""
    pairs = improve.pairs_to_try(config["improve"], PAIRS, ZOO)
    return [pair["teacher"] for pair in pairs if pair["student"] == student]


def improve_inputs(wildcards):
    """Input function: files of a student, and of all transfers that are tried to improve it."""
    pairs = [
        {"student": wildcards.student, "teacher": teacher}
        for teacher in teachers_to_try(wildcards.student)
    ]
    tried = plan.transfers_of(pairs, IMPROVE_METHODS)
    files = transfer_files(wildcards.student, [])
    files["tables"] = [row_file("improve", row) for row in tried]
    files["tried_weights"] = [row_file("improve", row, ".safetensors") for row in tried]
    return files
