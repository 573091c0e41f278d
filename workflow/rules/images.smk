"""Images in one fixed order, decoded once per evaluation geometry.

INPUTS
    Parquet or tar files or folders under config["images"]["root"]; parameters, not inputs, so that a dry run needs none

OUTPUTS
    index_images   <results>/images/{train,transfer,evaluation}.parquet  id, row and label per image
                   <results>/classes.parquet  name and evaluation images per class
    decode_images  <results>/pixels/{split}/{geometry}.npy  uint8 [images, size, size, 3]
"""


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
        code=code_of("decode_images"),
    script:
        "../scripts/decode_images.py"
