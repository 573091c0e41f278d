"""Students are taught by several teachers; nothing where the study has no teams.

INPUTS
    TEAMS  every (way, student, team, seed) (pairs.smk)
    config["teams"]
    what transfers read; for a soup also the weights of the transfers from its members alone

OUTPUTS
    team_<way>    <results>/teams/<way>/{student}/{team}/{seed}.parquet
"""

import re

for way in config["teams"]["ways"] if TEAMS else ():

    rule:
        name:
            f"team_{way}"
        input:
            unpack(team_inputs(way)),
            index="<results>/images/transfer.parquet",
        output:
            table=f"<results>/teams/{way}/{{student}}/{{team}}/{{seed}}.parquet",
        log:
            f"<logs>/team_{way}/{{student}}/{{team}}/{{seed}}.log",
        wildcard_constraints:
            team="|".join(map(re.escape, config["teams"]["teachers"])),
        resources:
            mem_mb=growing(4000),
            runtime=growing(480),
            gpu=1,
            tasks=1,
            slurm_extra="--signal=TERM@120",
        params:
            way=way,
            teachers=members_of,
            method=config["teams"]["method"],
            recipe=methods.recipe(METHODS[config["teams"]["method"]]),
            student=lambda wildcards: trained_settings(wildcards.student),
            code=code_of("team"),
        script:
            "../scripts/team.py"
