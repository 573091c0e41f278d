"""Images in one fixed order, decoded once per evaluation geometry.

INPUTS
    Parquet or tar files or folders under config["images"]["root"]; parameters, not inputs, so that a dry run needs none

OUTPUTS
    index_images   <results>/images/{train,transfer,evaluation}.parquet  id, row and label per image
                   <results>/classes.parquet  name and evaluation images per class
    decode_images  <results>/pixels/{split}/{geometry}.npy  uint8 [images, size, size, 3]
"""

IMAGE_CONTENTS = contents.image_contents(
    CONTENTS, config["images"], f"results/{STUDY}", workflow.is_main_process
)


rule index_images:
    output:
        train="<results>/images/train.parquet",
        transfer="<results>/images/transfer.parquet",
        evaluation="<results>/images/evaluation.parquet",
        classes="<results>/classes.parquet",
    log:
        "<logs>/index_images.log",
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        images=images_for("classes", "transfer_images"),
        seed=lookup("seed", within=config),
        contents=IMAGE_CONTENTS,
        code=code_of("index_images"),
    script:
        "../scripts/index_images.py"


rule decode_images:
    input:
        index="<results>/images/{split}.parquet",
    output:
        "<results>/pixels/{split}/{geometry}.npy",
    log:
        "<logs>/decode_images/{split}/{geometry}.log",
    threads: 4
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
    params:
        images=images_for(),
        geometry=geometry_from_name,
        contents=lambda wildcards: contents.content_of_split(
            IMAGE_CONTENTS, config["images"], wildcards.split
        ),
        code=code_of("decode_images"),
    script:
        "../scripts/decode_images.py"
