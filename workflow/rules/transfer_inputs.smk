"""Input and parameter functions of the jobs that teach a student by one teacher, from their wildcards."""


def transfers_planned():
    """Every (method, student, teacher, seed); where pairs are chosen later, once they are."""
    if CHOSEN_LATER:
        import pyarrow.parquet  # not at every start

        chosen = checkpoints.choose_pairs.get().output[0]
        found = pyarrow.parquet.read_table(chosen).to_pylist()
    else:
        found = PAIRS
    return plan.transfers_of(found, METHODS, TEACHER_TARGETS)


def all_transfers(wildcards):
    """Files of all transfers."""
    return [
        f"<results>/transfers/{method}/{student}/{teacher}/{seed}.parquet"
        for method, student, teacher, seed in transfers_planned()
    ]


def all_points():
    """(key, value, file) of every transfer of every sweep."""
    return [
        (key, value, f"<results>/{folder}/{'/'.join(map(str, transfer))}.parquet")
        for key, value, folder, transfer in plan.points_of(
            SWEEPS, METHODS, transfers_planned()
        )
    ]


def all_trainings():
    """(student, epochs, share of the transfer images) of all that is trained for transfers."""
    transfers = plan.trainings_of(SWEEPS, METHODS, transfers_planned())
    return transfers + teams.trainings_of_teams(config.get("teams"), METHODS, TEAMS)


def recipe_of_method(method):
    """What a transfer by a method depends on; a seed more is a job more, and no other recipe."""
    apart = ("seeds", "keep_weights")
    return {key: value for key, value in METHODS[method].items() if key not in apart}


def recipes_of(block, sweep):
    """Parameter function of a block's recipes."""
    recipes = {method: recipe_of_method(method) for method in block.methods}
    if sweep is None:
        return recipes
    return lambda wildcards: sweep.recipes(recipes, wildcards.value)


def kept_at_best(block):
    """Methods of a block whose weights are kept as they were after the best epoch, not the last."""
    return [name for name in block.methods if METHODS[name]["keep_weights"] == "best"]


def log_of(block, sweep):
    """Log of a block's jobs; with the value of a sweep and the teacher in it where these are wildcards."""
    value = f"{sweep.key}/{{value}}/" if sweep else ""
    teacher = "{teacher}/" if plan.ANY_TEACHER in dict(block.targets).values() else ""
    return f"<logs>/transfer_{block.name}/{value}{{student}}/{teacher}{{seed}}.log"


def inputs_of_transfer(student, teachers, methods=()):
    """What a job reads that teaches a student by some methods; the student comes first in lists."""
    models = [student, *teachers]
    as_student = any(
        METHODS[method]["teacher_evaluated_on"] == "student_input" for method in methods
    )
    asked = f"as_student/{student}" if as_student else "evaluation"
    return {
        "weights": weights_of(student),
        "transfer_pixels": pixels_of(student, "transfer"),
        "evaluation_pixels": pixels_of(student, "evaluation"),
        "logits": [f"<results>/logits/transfer/{model}.npy" for model in models],
        "predictions": [
            f"<results>/predictions/evaluation/{student}.parquet",
            *(
                f"<results>/predictions/{asked}/{teacher}.parquet"
                for teacher in teachers
            ),
        ],
    }


def transfer_inputs(block):
    """Input function of one block of transfers."""
    contrasts = any("contrast" in METHODS[method] for method in block.methods)

    def inputs(wildcards):
        teachers = block.teachers(wildcards)
        found = inputs_of_transfer(wildcards.student, teachers, block.methods)
        if contrasts:
            found["features"] = [
                f"<results>/features/transfer/{teacher}.npy" for teacher in teachers
            ]
        if learns_too(block):
            of_each = [inputs_of_transfer(teacher, []) for teacher in teachers]
            for name in ("weights", "transfer_pixels", "evaluation_pixels"):
                found[f"teacher_{name}"] = [of_one[name] for of_one in of_each]
        return found

    return inputs


def learns_too(block):
    """Whether the teachers of a block are trained as well."""
    return any(METHODS[method].get("target") == "mutual" for method in block.methods)


def settings_of_teachers(block):
    """Parameter function: what the teachers of a block depend on, where they learn too."""
    return lambda wildcards: [
        settings_of(teacher)
        for teacher in block.teachers(wildcards)
        if learns_too(block)
    ]


def settings_of(model):
    """What a transfer depends on besides files and recipe, of a model that learns."""
    return {
        "row": ZOO[model],
        "input_size": GEOMETRY[model]["input_size"],
        "classes": config["images"]["classes"],
        "views": config["views"]["count"],
        "transforms": config["views"]["transforms"],
        "seed": config["seed"],
        "inference": config["inference"],
    }


def student_of(wildcards):
    """Parameter function: the settings of the student."""
    return settings_of(wildcards.student)
