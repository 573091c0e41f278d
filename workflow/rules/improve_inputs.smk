"""Functions for improved students and streams of teachers. They say which transfers are tried."""


def models_to_try(wildcards):
    """Parameter function: rows of the zoo sheet of a student, and of the teachers that are tried to improve it."""
    members = [
        name
        for _, _, team, _ in teams_of(wildcards.student)
        for name in config["improve"]["teams"][team]
    ]
    names = [wildcards.student, *candidates_of(wildcards), *members]
    return [ZOO[name] for name in dict.fromkeys(names)]


def teams_of(student):
    """(method, student, team, seed) of the teams that are tried to improve a student."""
    return [row for row in IMPROVE_TEAMS if row[1] == student]


def improve_team_inputs(wildcards):
    """Input function: files of a student and of a team that is tried to improve it."""
    method = IMPROVE_METHODS[wildcards.method]
    members = config["improve"]["teams"][wildcards.team]
    return transfer_files(
        wildcards.student, members, methods.evaluates_in_student_input(method)
    )


def improve_inputs(wildcards):
    """Input function: files of a student, and of all transfers that are tried to improve it."""
    pairs = [pair for pair in IMPROVE_PAIRS if pair["student"] == wildcards.student]
    tried = plan.transfers_of(pairs, IMPROVE_METHODS)
    files = transfer_files(wildcards.student, [])
    files["tables"] = [row_file("improve", row) for row in tried]
    files["tried_weights"] = [row_file("improve", row, ".safetensors") for row in tried]
    together = teams_of(wildcards.student)
    files["teams"] = [row_file("improve/teams", row) for row in together]
    files["team_weights"] = [
        row_file("improve/teams", row, ".safetensors") for row in together
    ]
    exported = [
        stream
        for stream in STREAMS
        if stream[:2] == (streams.EXPORTED, wildcards.student)
    ]
    files["streams"] = [row_file("streams", stream) for stream in exported]
    files["stream_weights"] = [
        row_file("streams", stream, ".safetensors") for stream in exported
    ]
    return files


def candidates_of(wildcards):
    """Parameter function: teachers that are tried to improve a student, in the order of the config."""
    return [
        pair["teacher"]
        for pair in IMPROVE_PAIRS
        if pair["student"] == wildcards.student
    ]


def single_rows(student, seed=None):
    """(method, student, teacher, seed) of the transfers from each candidate alone, by the method of the streams."""
    tried = [pair for pair in IMPROVE_PAIRS if pair["student"] == student]
    method = config["improve"]["stream"]["method"]
    rows = plan.transfers_of(tried, {method: IMPROVE_METHODS[method]})
    return [row for row in rows if seed is None or row[-1] == int(seed)]


def stream_inputs(way):
    """Input function of one stream's job."""

    def inputs(wildcards):
        files = transfer_files(wildcards.student, candidates_of(wildcards))
        if way == streams.SOUP:
            files["single_weights"] = [
                row_file("improve", row, ".safetensors")
                for row in single_rows(wildcards.student, wildcards.seed)
            ]
        return files

    return inputs


def all_streams(wildcards):
    """Input function: files of all streams, of the transfers from their candidates alone, and of those that measure rounding."""
    students = list(dict.fromkeys(student for _, student, _ in STREAMS))
    singles = [row for student in students for row in single_rows(student)]
    perturbed = {
        name: method
        for name, method in IMPROVE_METHODS.items()
        if method["perturb_weights"]
    }
    pairs = [pair for pair in IMPROVE_PAIRS if pair["student"] in students]
    singles += plan.transfers_of(pairs, perturbed)
    return {
        "streams": [row_file("streams", stream) for stream in STREAMS],
        "singles": [row_file("improve", row) for row in singles],
        "predictions": [
            f"<results>/predictions/evaluation/{model}.parquet"
            for model in STREAM_MODELS
        ],
    }
