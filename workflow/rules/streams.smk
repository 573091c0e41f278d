"""Students are taught by streams of teachers; nothing where the study has none (`improve.stream`).

INPUTS
    STREAMS  every (way, student, seed) (pairs.smk)
    config["improve"]["stream"]
    what transfers read; for a soup also the weights of the transfers from its candidates alone

OUTPUTS
    stream_<way>    <results>/streams/<way>/{student}/{seed}.parquet, and .safetensors of the way that may be exported
    gather_streams  <results>/streams.parquet, stages.parquet, ledger.parquet, strategies.parquet
"""

STREAM = config["improve"].get("stream")

for way in STREAM["ways"] if STREAM else ():

    rule:
        name:
            f"stream_{way}"
        input:
            unpack(stream_inputs(way)),
            index="<results>/images/transfer.parquet",
        output:
            table=f"<results>/streams/{way}/{{student}}/{{seed}}.parquet",
            weights=[f"<results>/streams/{way}/{{student}}/{{seed}}.safetensors"]
            * (way == streams.EXPORTED),
        log:
            f"<logs>/stream_{way}/{{student}}/{{seed}}.log",
        resources:
            mem_mb=growing(4000),
            runtime=growing(480),
            gpu=1,
            tasks=1,
            slurm_extra="--signal=TERM@120",
        params:
            way=way,
            stages=STREAM["stages"],
            stop=STREAM["stop"],
            teachers=candidates_of,
            method=streams.method_of(STREAM, way),
            recipe=methods.recipe(IMPROVE_METHODS[streams.method_of(STREAM, way)]),
            student=lambda wildcards: trained_settings(wildcards.student),
            code=code_of("stream"),
        script:
            "../scripts/stream.py"


if STREAM:

    rule gather_streams:
        input:
            unpack(all_streams),
        output:
            streams="<results>/streams.parquet",
            stages="<results>/stages.parquet",
            ledger="<results>/ledger.parquet",
            strategies="<results>/strategies.parquet",
        log:
            "<logs>/gather_streams.log",
        resources:
            mem_mb=growing(2000),
            runtime=growing(30),
        params:
            models=STREAM_MODELS,
            code=code_of("gather_streams"),
        script:
            "../scripts/gather_streams.py"
