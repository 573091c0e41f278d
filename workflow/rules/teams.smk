"""Students are taught by several teachers; nothing where the study has no teams.

INPUTS
    TEAMS  every (way, student, team, seed) (pairs.smk)
    config["teams"]
    what transfers read; <results>/transfers/... of the members alone, for a soup with the weights that these end with

OUTPUTS
    team_<way>    <results>/teams/<way>/{student}/{team}/{seed}.parquet
    gather_teams  <results>/teams.parquet  each beside the transfers from its members alone
"""

import re

TABLES += ["teams"] * bool(TEAMS)

for way in config["teams"]["ways"] if TEAMS else ():

    rule:
        name:
            f"team_{way}"
        input:
            unpack(team_inputs(way)),
            index="<results>/images/transfer.parquet",
        output:
            f"<results>/teams/{way}/{{student}}/{{team}}/{{seed}}.parquet",
        log:
            f"<logs>/team_{way}/{{student}}/{{team}}/{{seed}}.log",
        wildcard_constraints:
            student=r"\w+(\.\w+)+",
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
            recipe=recipe_of_method(config["teams"]["method"]),
            student=student_of,
            code=code_of("team"),
        script:
            "../scripts/team.py"


if TEAMS:

    rule gather_teams:
        input:
            unpack(all_teams),
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
