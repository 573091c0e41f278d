"""The pairs that are transferred, and which jobs that makes.

INPUTS
    config["pairs"], config["transfer"], config["teams"]
    <results>/complementarity.parquet, <results>/models.parquet  where pairs are chosen from the comparison

OUTPUTS
    PAIRS, BLOCKS, METHODS, TEAMS
    select_pairs  <results>/pairs.parquet  the pairs of a grid or a file, and why
    choose_pairs  the same, chosen once all models are compared
    estimate      <results>/estimate.txt  what the study will take; only where it is asked for
"""

METHODS = config["transfer"]["methods"]
TEACHER_TARGETS = study_config.teacher_targets(CONFIG_SCHEMA)
TAUGHT = plan.taught_methods(METHODS, TEACHER_TARGETS)
CHOSEN_LATER = "choose" in config["pairs"]

try:
    if CHOSEN_LATER:
        pairs.check_students(config["pairs"], ZOO)
    else:
        PAIRS = pairs.choose_pairs(config["pairs"], ZOO)
    # every (way, student, team, seed)
    TEAMS = teams.choose_teams(
        config.get("teams"),
        None if CHOSEN_LATER else PAIRS,
        METHODS,
        TAUGHT,
    )
except InputError as error:
    raise WorkflowError(str(error))

TABLES += ["pairs", "transfers"]
SUMMARIES.append("<results>/summary.txt")


if CHOSEN_LATER:
    BLOCKS = plan.open_blocks(ZOO, METHODS, TEACHER_TARGETS)
    if workflow.is_main_process:
        logger.info(
            "Pairs are chosen once all models are compared; their transfers are planned then."
        )

    checkpoint choose_pairs:
        input:
            pairs="<results>/complementarity.parquet",
            models="<results>/models.parquet",
        output:
            "<results>/pairs.parquet",
        log:
            "<logs>/choose_pairs.log",
        localrule: True
        params:
            choice=lookup("pairs", within=config),
            seed=lookup("seed", within=config),
            code=code_of("choose_pairs"),
        script:
            "../scripts/choose_pairs.py"

else:
    BLOCKS = plan.transfer_blocks(
        PAIRS,
        METHODS,
        config["transfer"]["pairs_per_job"],
        TEACHER_TARGETS,
        teams.students_of_soups(config.get("teams"), TEAMS),
    )

    # before anything runs: snakemake --cores 1 results/<study>/estimate.txt
    rule estimate:
        output:
            "<results>/estimate.txt",
        log:
            "<logs>/estimate.log",
        localrule: True
        params:
            images=images_for("classes", "transfer_images"),
            zoo=ZOO,
            geometry=GEOMETRY,
            views=lookup("views/count", within=config),
            top=lookup("inference/top_logits", within=config),
            trainings=lambda wildcards: all_trainings(),
            code=code_of("estimate"),
        script:
            "../scripts/estimate.py"

    rule select_pairs:
        output:
            "<results>/pairs.parquet",
        log:
            "<logs>/select_pairs.log",
        localrule: True
        params:
            pairs=PAIRS,
        script:
            "../scripts/select_pairs.py"
