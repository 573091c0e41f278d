"""What a transfer method needs, read from its entry in `transfer.methods`."""

WITHOUT_TEACHER = ("student", "shuffled")  # targets of the controls; every other target is a teacher's
LEARNING_TEACHER = "mutual"  # target of a method whose teacher is trained too
NEVER = "never"
# keys that no transfer depends on: another seed is another transfer, and weights are saved or not
NOT_IN_RECIPE = ("seeds", "keep_weights")


def has_teacher(method):
    """Whether the method transfers from a teacher; the others are controls."""
    return "contrast" in method or method.get("target", "student") not in WITHOUT_TEACHER


def teacher_learns(method):
    """Whether the teacher is trained too."""
    return method.get("target") == LEARNING_TEACHER


def needs_features(method):
    """Whether the method compares features, which are then stored for its teachers."""
    return "contrast" in method


def learns_from_logits(method):
    """Whether the method has a teacher and needs no more of it than its logits."""
    return has_teacher(method) and not needs_features(method) and not teacher_learns(method)


def evaluates_in_student_input(method):
    """Whether the teacher is evaluated on the evaluation images in the student's input."""
    return method["teacher_evaluated_on"] == "student_input"


def keeps_weights(method):
    """Whether the weights of every student are saved."""
    return method.get("keep_weights", NEVER) != NEVER


def keeps_best(method):
    """Whether the saved weights are those of the best epoch, not of the last."""
    return method.get("keep_weights") == "best"


def recipe(method):
    """The part of a method that the result of a transfer depends on."""
    return {key: value for key, value in method.items() if key not in NOT_IN_RECIPE}


def with_teacher(methods):
    """Names of the methods that have a teacher."""
    return [name for name, method in methods.items() if has_teacher(method)]


def controls(methods):
    """Names of the methods that have no teacher."""
    return [name for name, method in methods.items() if not has_teacher(method)]
