"""Models that are added one after another, against brute force."""

from collections import Counter

import numpy as np
import pytest

from transfer_atlas.complementarity.joint import grow_set
from transfer_atlas.logits.zoo_predictions import ZooPredictions


@pytest.mark.parametrize("confidences", [True, False])
def test_a_growing_set_equals_brute_force(confidences):
    generator = np.random.default_rng(0)
    labels, prediction = generator.integers(0, 4, 200), generator.integers(0, 4, (6, 200))
    confidence = generator.random((6, 200)).astype(np.float32) if confidences else np.full((6, 200), np.nan, np.float32)
    predicted = ZooPredictions([f"m{n}" for n in range(6)], labels, prediction, confidence)
    grown = grow_set(predicted, "m3", 4)
    members = [int(name[1]) for name in grown["model"]]
    assert members[0] == 3
    assert len(set(members)) == 4
    for step, row in grown.iterrows():
        chosen = members[: step + 1]
        known = predicted.correct[chosen].any(axis=0)
        assert row["oracle_accuracy"] == known.mean()
        if step:  # no other model would have added more
            before = predicted.correct[chosen[:-1]].any(axis=0)
            assert known.sum() == max((before | predicted.correct[m]).sum() for m in range(6) if m not in chosen[:-1])
        voted = [Counter(prediction[chosen, image]).most_common(1)[0][0] for image in range(200)]
        assert row["vote_accuracy"] == (voted == labels).mean()
        if confidences:
            surest = [chosen[confidence[chosen, image].argmax()] for image in range(200)]
            assert row["confidence_accuracy"] == predicted.correct[surest, range(200)].mean()
        else:
            assert np.isnan(row["confidence_accuracy"])
    assert len(grow_set(predicted, "m0", 99)) == 6
