"use strict";
// The parts of the script are one script in the page. This one: exact counts from packed correctness. A row holds the bits of one model, 32 images a word, every class from a new word on.

async function unpack(text, Kind) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let place = 0; place < bytes.length; place += 1) bytes[place] = letters.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Kind(await new Response(stream).arrayBuffer());
}

function popcount(word) {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return (((word + (word >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

function countBits(words) {
  let total = 0;
  for (const word of words) total += popcount(word);
  return total;
}

// Bits of all images of the classes; the last word of a class has unused bits.
function maskOfClasses(starts, images, chosen) {
  const mask = new Uint32Array(starts[starts.length - 1]);
  for (const label of chosen) {
    for (let left = images[label], word = starts[label]; left > 0; left -= 32, word += 1) {
      mask[word] = left >= 32 ? 0xffffffff : 2 ** left - 1;
    }
  }
  return mask;
}

// How many models predict each image correctly, by the place of its bit.
function countModels(rows) {
  const counts = new Uint16Array(rows[0].length * 32);
  for (const row of rows) {
    for (let word = 0; word < row.length; word += 1) {
      for (let bits = row[word]; bits !== 0; bits = (bits & (bits - 1)) >>> 0) counts[word * 32 + 31 - Math.clz32(bits & -bits)] += 1;
    }
  }
  return counts;
}

function maskOfCounts(mask, counts, least, most) {
  return mask.map((word, place) => {
    let kept = 0;
    for (let bit = 0; bit < 32; bit += 1) {
      const count = counts[place * 32 + bit];
      if ((word >>> bit) & 1 && count >= least && count <= most) kept |= 1 << bit;
    }
    return kept >>> 0;
  });
}

// Images that two models predict correctly.
function countCommon(first, second) {
  let total = 0;
  for (let word = 0; word < first.length; word += 1) total += popcount(first[word] & second[word]);
  return total;
}

// Positive flips of each class.
function flipsByClass(student, teacher, mask, starts) {
  const flips = Array.from({ length: starts.length - 1 }, () => 0);
  for (let label = 0; label < flips.length; label += 1) {
    for (let word = starts[label]; word < starts[label + 1]; word += 1) flips[label] += popcount(~student[word] & teacher[word] & mask[word]);
  }
  return flips;
}

function entropy(counts) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce((sum, count) => (count ? sum - (count / total) * Math.log(count / total) : sum), 0);
}

// Cohen's kappa of being right: error consistency (Geirhos et al. 2020).
function consistency({ both, student_only, teacher_only, neither, images }) {
  const student = (both + student_only) / images, teacher = (both + teacher_only) / images;
  const expected = student * teacher + (1 - student) * (1 - teacher);
  return expected === 1 ? NaN : ((both + neither) / images - expected) / (1 - expected);
}

// Wilson interval of a share, 95 %.
function wilson(count, images) {
  const z = 1.959963984540054, share = count / images, z2 = (z * z) / images;
  const middle = share + z2 / 2, half = z * Math.sqrt((share * (1 - share)) / images + z2 / (4 * images));
  return [(middle - half) / (1 + z2), (middle + half) / (1 + z2)];
}

// Models that add most to what is known, one after another; of equal ones the first.
function greedyTeam(rows, student, mask, images, size) {
  const known = rows[student].map((word, place) => word & mask[place]);
  const team = [{ model: student, oracle: countBits(known) / images }];
  while (team.length < Math.min(size, rows.length)) {
    let best = -1, most = -1;
    rows.forEach((row, model) => {
      if (team.some((member) => member.model === model)) return;
      let added = 0;
      for (let word = 0; word < mask.length; word += 1) added += popcount(row[word] & mask[word] & ~known[word]);
      if (added > most) [best, most] = [model, added];
    });
    rows[best].forEach((word, place) => { known[place] |= word & mask[place]; });
    team.push({ model: best, oracle: countBits(known) / images });
  }
  return team;
}

// Accuracy of the class that most of the models predict; of equal ones that of the model that comes first.
function vote(predictions, labels, members, slots) {
  let right = 0;
  for (const slot of slots) {
    const votes = new Map();
    for (const model of members) votes.set(predictions[model][slot], (votes.get(predictions[model][slot]) || 0) + 1);
    let winner = -1, most = 0;
    for (const [label, count] of votes) if (count > most) [winner, most] = [label, count];
    right += winner === labels[slot];
  }
  return right / slots.length;
}

// Accuracy of the most confident of the models on each image; `ranks` say which of two models is more confident.
function mostConfident(predictions, ranks, labels, members, slots) {
  let right = 0;
  for (const slot of slots) {
    const chosen = members.reduce((best, model) => (ranks[model][slot] > ranks[best][slot] ? model : best));
    right += predictions[chosen][slot] === labels[slot];
  }
  return right / slots.length;
}
