"""Functions for the transfers. They say what is planned, what a job reads and what is gathered."""


def row_file(folder, row, suffix=".parquet"):
    """File of one transfer (method, student, teacher, seed) or team (way, student, team, seed)."""
    return f"<results>/{folder}/{'/'.join(map(str, row))}{suffix}"


def planned_transfers():
    """Every (method, student, teacher, seed); where pairs are chosen later, once they are."""
    if not CHOSEN_LATER:
        return plan.transfers_of(PAIRS, METHODS)
    import pyarrow.parquet  # not at every start

    chosen = checkpoints.choose_pairs.get().output[0]
    return plan.transfers_of(pyarrow.parquet.read_table(chosen).to_pylist(), METHODS)


def kept_weights(wildcards):
    """Input function of `all`: weights of the students of all transfers whose method has keep_weights."""
    return [
        row_file("transfers", row, ".safetensors")
        for row in (planned_transfers() if METHODS else [])
        if methods.keeps_weights(METHODS[row[0]])
    ]


def planned_trainings(wildcards):
    """Parameter function: (student, epochs, share of the transfer images) of every training for a transfer."""
    transfers = plan.trainings_of(SWEEPS, METHODS, planned_transfers())
    transfers += teams.trainings_of_teams(config.get("teams"), METHODS, TEAMS)
    return transfers + streams.trainings_of_streams(
        config["improve"], IMPROVE_METHODS, STREAMS, IMPROVE_PAIRS
    )


def transfer_files(student, teachers, as_student=False):
    """Files of one student and of teachers that do not learn.

    `as_student` takes the teachers' predictions on the evaluation images in the student's input.
    """
    asked = f"as_student/{student}" if as_student else "evaluation"
    return {
        "student_weights": weights_of(student),
        "student_transfer_pixels": pixels_of(student, "transfer"),
        "student_evaluation_pixels": pixels_of(student, "evaluation"),
        "student_logits": f"<results>/logits/transfer/{student}.npy",
        "student_predictions": f"<results>/predictions/evaluation/{student}.parquet",
        "teacher_logits": [
            f"<results>/logits/transfer/{name}.npy" for name in teachers
        ],
        "teacher_predictions": [
            f"<results>/predictions/{asked}/{name}.parquet" for name in teachers
        ],
    }


def transfer_inputs(block):
    """Input function of one block of transfers."""

    def inputs(wildcards):
        names = block.teachers(wildcards)
        files = transfer_files(
            wildcards.student, names, block.evaluates_in_student_input
        )
        if block.needs_features:
            files["teacher_features"] = [
                f"<results>/features/transfer/{name}.npy" for name in names
            ]
        if block.teachers_learn:
            files["teacher_weights"] = list(map(weights_of, names))
            for split in ("transfer", "evaluation"):
                pixels = [pixels_of(name, split) for name in names]
                files[f"teacher_{split}_pixels"] = pixels
        return files

    return inputs


def trained_settings(model):
    """What a transfer depends on besides files and recipe, of a model that is trained."""
    return settings_of(model) | {"views": config["views"]["count"]}


def members_of(wildcards):
    """Parameter function: models of a team, in the order of the config."""
    return config["teams"]["teachers"][wildcards.team]


def team_inputs(way):
    """Input function of one team's job."""

    def inputs(wildcards):
        names, method = members_of(wildcards), METHODS[config["teams"]["method"]]
        files = transfer_files(
            wildcards.student, names, methods.evaluates_in_student_input(method)
        )
        if way == teams.SOUP:
            singles = teams.single_transfers(
                config["teams"], wildcards.student, wildcards.team, wildcards.seed
            )
            files["single_weights"] = [
                row_file("transfers", row, ".safetensors") for row in singles
            ]
        return files

    return inputs


def sweep_points():
    """(key, value, file) of every transfer of every sweep."""
    return [
        (key, value, row_file(folder, transfer))
        for key, value, folder, transfer in plan.points_of(
            SWEEPS, METHODS, planned_transfers()
        )
    ]


def all_teams(wildcards):
    """Input function: files of all teams, and of the transfers from their members alone."""
    singles = [
        row_file("transfers", row)
        for _, *team in TEAMS
        for row in teams.single_transfers(config["teams"], *team)
    ]
    return {
        "teams": [row_file("teams", team) for team in TEAMS],
        "singles": list(dict.fromkeys(singles)),
    }
