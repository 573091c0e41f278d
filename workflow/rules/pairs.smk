"""The pairs that are transferred, and the jobs of their transfers.

INPUTS
    config["pairs"], config["transfer"], config["sweep"], config["teams"], config["improve"]
    <results>/complementarity.parquet, <results>/models.parquet  where pairs are chosen from the comparison

OUTPUTS
    PAIRS, BLOCKS, SWEEPS, TEAMS, IMPROVE_BLOCKS, IMPROVE_TEAMS, STREAMS
    select_pairs  <results>/pairs.parquet  the pairs of a grid or a file, and why
    choose_pairs  the same, chosen once all models are compared
    estimate      <results>/estimate.txt  what the study will take; only where it is asked for
"""

CHOSEN_LATER = "choose" in config["pairs"]
# None where they are chosen later
PAIRS = checked(
    pairs.check_students if CHOSEN_LATER else pairs.choose_pairs, config["pairs"], ZOO
)
# every (way, student, team, seed)
TEAMS = checked(teams.choose_teams, config.get("teams"), PAIRS, METHODS)

SWEEPS = plan.sweeps_of(config.get("sweep", {}))

# what is tried where an improved student is asked for
IMPROVE_METHODS = checked(improve.methods_to_try, config["improve"], METHODS)
IMPROVE_PAIRS = checked(improve.pairs_to_try, config["improve"], PAIRS, ZOO)
# every (method, student, team, seed)
IMPROVE_TEAMS = checked(improve.teams_to_try, config["improve"], IMPROVE_METHODS, ZOO)
IMPROVE_BLOCKS = plan.transfer_blocks(
    IMPROVE_PAIRS,
    IMPROVE_METHODS,
    config["transfer"]["pairs_per_job"],
)
# every (way, student, seed), and the models whose predictions their ledger reads
STREAMS = checked(
    streams.choose_streams, config["improve"], IMPROVE_PAIRS, IMPROVE_METHODS
)
STREAM_MODELS = streams.models_of(STREAMS, IMPROVE_PAIRS)


if CHOSEN_LATER:
    BLOCKS = plan.open_blocks(ZOO, METHODS, config["transfer"]["pairs_per_job"])
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
            zoo=long_param(ZOO),
            geometry=long_param(GEOMETRY),
            views=lookup("views/count", within=config),
            top=lookup("inference/top_logits", within=config),
            trainings=planned_trainings,
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
            pairs=long_param(PAIRS),
            code=code_of("select_pairs"),
        script:
            "../scripts/select_pairs.py"
