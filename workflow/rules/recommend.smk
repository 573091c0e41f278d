"""Which teacher for a student; made where it is asked for.

INPUTS
    <results>/complementarity.parquet, <results>/models.parquet, <results>/transfers.parquet where the study has it
    <results>/sweeps.parquet, <results>/logits/...  for what each way to choose a teacher costs

OUTPUTS
    recommend              <results>/recommend/{student}.parquet and .txt  teachers in order, for any model of the zoo
    expect_deltas          <results>/recommend/expected.parquet  what a transfer of every pair is expected to give
    check_recommendations  <results>/recommend/checks.parquet  against rules of thumb, on what was left out
    compare_outputs        <results>/output_similarity.parquet  how alike the outputs of student and teacher are
    compare_choices        <results>/choices.parquet  rules of thumb, short transfers and halving: cost and regret
"""

LEARNED_FROM = {}

if "transfers" in TABLES:
    LEARNED_FROM = {
        "transfers": "<results>/transfers.parquet",
        "checks": "<results>/recommend/checks.parquet",
    }
    # tables that were handed over may lack it
    COVARIANCES = (
        {"covariances": "<results>/delta_covariances.parquet"}
        if "delta_covariances" in TABLES
        else {}
    )
    LEARNED_FROM |= COVARIANCES

    rule expect_deltas:
        input:
            **COVARIANCES,
            transfers="<results>/transfers.parquet",
            complementarity="<results>/complementarity.parquet",
            models="<results>/models.parquet",
        output:
            "<results>/recommend/expected.parquet",
        log:
            "<logs>/expect_deltas.log",
        localrule: True
        resources:
            mem_mb=growing(2000),
            runtime=growing(30),
        params:
            code=code_of("expect_deltas"),
        script:
            "../scripts/expect_deltas.py"

    rule check_recommendations:
        input:
            **COVARIANCES,
            transfers="<results>/transfers.parquet",
            complementarity="<results>/complementarity.parquet",
            models="<results>/models.parquet",
        output:
            "<results>/recommend/checks.parquet",
        log:
            "<logs>/check_recommendations.log",
        localrule: True
        resources:
            mem_mb=growing(2000),
            runtime=growing(30),
        params:
            code=code_of("check_recommendations"),
        script:
            "../scripts/check_recommendations.py"


if METHODS and "tables" not in config:

    rule compare_outputs:
        input:
            unpack(logits_of_pairs),
            pairs="<results>/pairs.parquet",
        output:
            "<results>/output_similarity.parquet",
        log:
            "<logs>/compare_outputs.log",
        resources:
            mem_mb=growing(2000),
            runtime=growing(120),
        params:
            code=code_of("compare_outputs"),
        script:
            "../scripts/compare_outputs.py"


if "choices" in TABLES and "tables" not in config:

    rule compare_choices:
        input:
            **COVARIANCES,
            transfers="<results>/transfers.parquet",
            sweeps="<results>/sweeps.parquet",
            complementarity="<results>/complementarity.parquet",
            models="<results>/models.parquet",
            outputs="<results>/output_similarity.parquet",
        output:
            "<results>/choices.parquet",
        log:
            "<logs>/compare_choices.log",
        localrule: True
        resources:
            mem_mb=growing(2000),
            runtime=growing(30),
        params:
            shares={name: method["image_share"] for name, method in METHODS.items()},
            code=code_of("compare_choices"),
        script:
            "../scripts/compare_choices.py"


rule recommend:
    input:
        **LEARNED_FROM,
        complementarity="<results>/complementarity.parquet",
        models="<results>/models.parquet",
    output:
        table="<results>/recommend/{student}.parquet",
        text="<results>/recommend/{student}.txt",
    log:
        "<logs>/recommend/{student}.log",
    localrule: True
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_of("recommend"),
    script:
        "../scripts/recommend.py"
