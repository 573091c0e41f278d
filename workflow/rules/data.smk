"""Images in one fixed order, decoded once per evaluation geometry.

INPUTS
    Parquet files under config["images"]["root"]

OUTPUTS
    index_images   <results>/images/{train,transfer,evaluation}.parquet  id, row and label per image
                   <results>/classes.parquet  name and evaluation images per class
    decode_images  <results>/pixels/{split}/{geometry}.npy  uint8 [images, size, size, 3]
"""


rule index_images:
    input:
        train=FILES["train"],
        evaluation=FILES["evaluation"],
        code=code("images"),
    output:
        train="<results>/images/train.parquet",
        transfer="<results>/images/transfer.parquet",
        evaluation="<results>/images/evaluation.parquet",
        classes="<results>/classes.parquet",
    log:
        "<logs>/index_images.log",
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        label_column=lookup("images/label_column", within=config),
        classes=lookup("images/classes", within=config),
        transfer_images=lookup("images/transfer_images", within=config),
        seed=lookup("seed", within=config),
    script:
        "../scripts/index_images.py"


rule decode_images:
    input:
        files=files_of,
        index="<results>/images/{split}.parquet",
        code=code("pixels"),
    output:
        "<results>/pixels/{split}/{geometry}.npy",
    log:
        "<logs>/decode_images/{split}/{geometry}.log",
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        image_column=lookup("images/image_column", within=config),
        geometry=geometry_from_name,
    script:
        "../scripts/decode_images.py"
