"""Tables of all transfers: gathered, tested for significance, summarised, compared with published numbers.

INPUTS
    <results>/transfers/..., <results>/sweeps/..., <results>/teams/...  the files of single transfers
    config["published"]  a sheet of published results

OUTPUTS
    gather_transfers        <results>/transfers.parquet, deltas.parquet (means over seeds), delta_covariances.parquet,
                            histories.parquet
    gather_sweeps           <results>/sweeps.parquet
    gather_teams            <results>/teams.parquet  each beside the transfers from its members alone
    compare_with_published  <results>/agreement.parquet
    summarise_transfers     <results>/summary.txt, <results>/methods.parquet
"""


rule gather_transfers:
    input:
        lambda wildcards: [row_file("transfers", row) for row in planned_transfers()],
    output:
        transfers="<results>/transfers.parquet",
        deltas="<results>/deltas.parquet",
        covariances="<results>/delta_covariances.parquet",
        histories="<results>/histories.parquet",
    log:
        "<logs>/gather_transfers.log",
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        code=code_of("gather_transfers"),
    script:
        "../scripts/gather_transfers.py"


rule gather_sweeps:
    input:
        lambda wildcards: [file for _, _, file in sweep_points()],
    output:
        "<results>/sweeps.parquet",
    log:
        "<logs>/gather_sweeps.log",
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        points=lambda wildcards: [point[:2] for point in sweep_points()],
        code=code_of("gather_sweeps"),
    script:
        "../scripts/gather_sweeps.py"


rule gather_teams:
    input:
        unpack(all_teams),
        transfers="<results>/transfers.parquet",
    output:
        "<results>/teams.parquet",
    log:
        "<logs>/gather_teams.log",
    localrule: True
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        code=code_of("gather_teams"),
    script:
        "../scripts/gather_teams.py"


if "published" in config:

    rule compare_with_published:
        input:
            transfers="<results>/transfers.parquet",
            published=config["published"],
        output:
            "<results>/agreement.parquet",
        log:
            "<logs>/compare_with_published.log",
        localrule: True
        params:
            contents=CONTENTS.of_file(config["published"]),
            code=code_of("compare_with_published"),
        script:
            "../scripts/compare_with_published.py"


rule summarise_transfers:
    input:
        transfers=rules.gather_transfers.output.transfers,
        teams=["<results>/teams.parquet"] * bool(TEAMS),
    output:
        summary=report("<results>/summary.txt", category="Summary"),
        methods="<results>/methods.parquet",
    log:
        "<logs>/summarise_transfers.log",
    localrule: True
    params:
        figures=f"results/{STUDY}/figures",
        code=code_of("summarise_transfers"),
    script:
        "../scripts/summarise_transfers.py"
