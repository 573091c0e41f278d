"""What the results folder remembers of its study: what identifies it, and Snakemake's records; one run at a time.

INPUTS
    <results>/identity.json, image_contents.json, records.json.gz  where an earlier run has left them

OUTPUTS
    the same; none is a target
"""

RESULTS = f"results/{STUDY}"
IDENTITY = identity.identity_of(config, GEOMETRY)


if "tables" not in config:
    checked(identity.check_identity, RESULTS, IDENTITY)

if workflow.is_main_process:
    CONTENTS.save()
    records.restore_records(RESULTS, ".snakemake")


onstart:
    checked(identity.check_writable, RESULTS)
    # a killed run leaves no lock behind: the kernel holds this one (profiles/default says nolock)
    lock.hold_lock(f".snakemake/transfer_atlas/{STUDY}.lock")
    if "images" in config:
        # parameters and no inputs, so that a dry run needs no images
        for split in ("train", "evaluation"):
            checked(sources.image_files, config["images"], split)
        contents.save_image_contents(RESULTS, IMAGE_CONTENTS)
    if "tables" not in config:
        identity.save_identity(RESULTS, IDENTITY)


onsuccess:
    records.save_records(RESULTS, ".snakemake")
    targets.print_texts(workflow.dag_settings.targets, STUDY)


onerror:
    records.save_records(RESULTS, ".snakemake")
