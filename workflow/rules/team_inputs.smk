"""Input and parameter functions of the jobs that teach a student by several teachers, from their wildcards."""


def members_of(wildcards):
    """Models of a team, in the order of the config."""
    return config["teams"]["teachers"][wildcards.team]


def singles_of(student, team, seed, suffix):
    """Files of the transfers from each member of a team alone."""
    method, members = config["teams"]["method"], config["teams"]["teachers"][team]
    return [
        f"<results>/transfers/{method}/{student}/{teacher}/{seed}{suffix}"
        for teacher in members
    ]


def team_inputs(way):
    """Input function of one team's job: as of a transfer from its members, and for a soup the students to average."""

    def inputs(wildcards):
        found = inputs_of_transfer(
            wildcards.student, members_of(wildcards), [config["teams"]["method"]]
        )
        if way == teams.SOUP:
            found["students"] = singles_of(
                wildcards.student, wildcards.team, wildcards.seed, ".safetensors"
            )
        return found

    return inputs


def all_teams(wildcards):
    """Files of all teams, and of the transfers from their members alone."""
    singles = [
        file
        for _, student, team, seed in TEAMS
        for file in singles_of(student, team, seed, ".parquet")
    ]
    return {
        "teams": [
            f"<results>/teams/{way}/{student}/{team}/{seed}.parquet"
            for way, student, team, seed in TEAMS
        ],
        "singles": list(dict.fromkeys(singles)),
    }
