// The page: state in the address, numbers from bits.js and pairs.js, drawing in drawing.js. Names are set as text, never as markup.

const facts = JSON.parse(document.getElementById("facts").textContent);
const element = (id) => document.getElementById(id);
const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)} %`;
const points = (share) => `${share >= 0 ? "+" : ""}${(100 * share).toFixed(2)}`;
const name = (model) => facts.models[model].name;
const state = { student: 0, teacher: 1, measure: "flips", order: "accuracy", classes: [], least: 0, most: facts.models.length, team: 6 };
const SHOWN_TEACHERS = 100; // of a larger zoo the table shows the first
let rows = [], ratios = null, accepted = null, predictions = null, ranks = null, knowing = null, mask = null, images = 0, accuracy = [], counts = null, matrix = null;
let placed = [];

const MEASURES = {
  flips: { title: "complementary knowledge", unit: percent, value: (pair) => pair.teacher_only / pair.images,
    meaning: "Complementary knowledge (positive flips): share of the images that the teacher predicts correctly and the student does not." },
  // its logarithm, so that half and twice are equally far from 1
  expected: { title: "flips over expected", unit: (value) => (2 ** value).toFixed(2), diverging: true,
    value: (pair, student, teacher) => Math.log2(overExpected(student, teacher)),
    meaning: "Complementary knowledge over what two models of these accuracies would show that err independently given how difficult each image is; on all evaluation images." },
  difference: { title: "accuracy difference", unit: points, diverging: true, value: (pair) => (pair.teacher_only - pair.student_only) / pair.images,
    meaning: "Accuracy of the teacher minus that of the student, in points." },
  consistency: { title: "error consistency", unit: (value) => value.toFixed(3), value: consistency,
    meaning: "Error consistency (Cohen's kappa of being right): 0 where the models err independently, 1 where they err on the same images." },
  oracle: { title: "accuracy of an oracle", unit: percent, value: (pair) => 1 - pair.neither / pair.images,
    meaning: "Share of the images that at least one of the two models predicts correctly." },
  entropy: { title: "flip entropy", unit: (value) => `${value.toFixed(3)} nats`,
    value: (pair, student, teacher) => entropy(flipsByClass(rows[student], rows[teacher], mask, facts.starts)),
    meaning: "Entropy of the complementary knowledge over the classes: 0 where one class holds all of it." },
};
for (const method of new Set(facts.deltas.map((row) => row[0]))) {
  const known = new Map(facts.deltas.filter((row) => row[0] === method && row[2] !== null).map((row) => [`${row[1]} ${row[2]}`, row[3]]));
  if (known.size) {
    MEASURES[`delta:${method}`] = { title: `delta of ${method}`, unit: points, diverging: true,
      value: (pair, student, teacher) => known.get(`${student} ${teacher}`) ?? NaN,
      meaning: `Transfer delta of ${method} in points, measured on all evaluation images: the student's accuracy after the transfer minus before.` };
  }
}

// Positive flips over expected ones; stored in parts of 1 / 10,000, 0 where there is none.
function overExpected(student, teacher) {
  return (ratios && ratios[student * rows.length + teacher] / 10000) || NaN;
}

/** Rows of a pair by accepted labels, of all images that have some; none where the study has no such labels. */
function byAcceptedLabels(student, teacher) {
  if (!accepted) return [];
  const share = (kind) => accepted[(kind * rows.length + student) * rows.length + teacher] / 60000;
  return [
    ["positive flips by accepted labels, on all images that have some", "", percent(share(0))],
    ...(share(1) > 1 ? [] : [["of the positive flips, the student is right too by accepted labels", "", percent(share(1))]]),
  ];
}

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const place = (key) => facts.models.findIndex((model) => model.name === given.get(key));
  if (place("student") >= 0) state.student = place("student");
  if (place("teacher") >= 0) state.teacher = place("teacher");
  if (given.get("measure") in MEASURES) state.measure = given.get("measure");
  if (given.has("order")) state.order = given.get("order");
  state.classes = (given.get("classes") || "").split(".").filter(Boolean).map(Number).filter((label) => label < facts.classes.length);
  for (const key of ["least", "most", "team"]) if (given.has(key) && Number.isFinite(Number(given.get(key)))) state[key] = Number(given.get(key));
  if (state.teacher === state.student) state.teacher = state.student ? 0 : 1;
}

function writeAddress() {
  const given = new URLSearchParams({ student: name(state.student), teacher: name(state.teacher), measure: state.measure, order: state.order });
  if (state.classes.length) given.set("classes", state.classes.join("."));
  if (state.least > 0) given.set("least", state.least);
  if (state.most < facts.models.length) given.set("most", state.most);
  if (state.team !== 6) given.set("team", state.team);
  history.replaceState(null, "", `#${given}`);
}

// Which images count, and all that follows for each model.
function chooseImages() {
  const chosen = state.classes.length ? state.classes : facts.classes.map((_, label) => label);
  mask = maskOfClasses(facts.starts, facts.classes.map((label) => label.images), chosen);
  const every = !state.classes.length && state.least <= 0 && state.most >= facts.models.length;
  if (state.least > 0 || state.most < facts.models.length) {
    knowing ??= countModels(rows);
    mask = maskOfCounts(mask, knowing, state.least, state.most);
  }
  counts.reset(mask, every ? counts.ofAllImages : null);
  images = counts.images;
  accuracy = Array.from(counts.right, (right) => right / images);
}

function order() {
  const all = facts.models.map((_, model) => model);
  const alike = (model) => -consistency(counts.pair(state.student, model));
  if (state.order === "alike") counts.row(state.student);
  const by = {
    accuracy: (a, b) => accuracy[a] - accuracy[b],
    name: (a, b) => (name(a) < name(b) ? -1 : 1),
    family: (a, b) => String(facts.models[a].family).localeCompare(String(facts.models[b].family)) || accuracy[a] - accuracy[b],
    alike: (a, b) => alike(a) - alike(b),
  };
  return all.sort(by[state.order] || by.accuracy);
}

function fill(table, head, body) {
  table.replaceChildren();
  const line = (cells, kind, parent) => {
    const row = document.createElement("tr");
    for (const text of cells) { const made = document.createElement(kind); made.textContent = text; row.append(made); }
    parent.append(row);
    return row;
  };
  if (head) line(head, "th", table.createTHead());
  const made = table.createTBody();
  return body.map((cells) => line(cells, "td", made));
}

const expected = new Map(facts.expected.map((row) => [`${row[1]} ${row[2]}`, row]));
const transferred = Map.groupBy(facts.deltas, (row) => `${row[1]} ${row[2]}`);
const measured = (student, teacher) => transferred.get(`${student} ${teacher}`) ?? [];
function teachersTable(most = Infinity) {
  const student = state.student;
  counts.row(student);
  const ordered = placed.filter((model) => model !== student), flips = ordered.map((teacher) => counts.pair(student, teacher).teacher_only);
  const teachers = ordered.map((_, place) => place).sort((a, b) => flips[b] - flips[a]).slice(0, most).map((place) => ordered[place]);
  const head = ["teacher", "knowledge (%)", "95 % interval", "accuracy (%)", "difference (points)", "error consistency", "family", "parameters (M)", "best measured delta (points)", ...(expected.size ? ["expected delta (points)"] : [])];
  const body = teachers.map((teacher) => {
    const pair = counts.pair(student, teacher), [low, high] = wilson(pair.teacher_only, images), model = facts.models[teacher];
    const best = measured(student, teacher).toSorted((a, b) => b[3] - a[3])[0];
    return [model.name, (100 * pair.teacher_only / images).toFixed(2), `${(100 * low).toFixed(2)} to ${(100 * high).toFixed(2)}`, (100 * accuracy[teacher]).toFixed(2),
      points(MEASURES.difference.value(pair)), consistency(pair).toFixed(3), model.family ?? "", model.parameters ? (model.parameters / 1e6).toFixed(2) : "", best ? `${points(best[3])} (${best[0]})` : "",
      ...(expected.size ? [expectedDelta(student, teacher)] : [])];
  });
  return { head, body, teachers };
}

/** What a transfer is expected to give, with its 95 % interval and method; empty where nothing is known. */
function expectedDelta(student, teacher) {
  const row = expected.get(`${student} ${teacher}`);
  return row ? `${points(row[3])} (${points(row[4])} to ${points(row[5])}, ${row[0]})` : "";
}

function showModel() {
  const { head, body, teachers } = teachersTable(SHOWN_TEACHERS);
  const from = accuracy[state.student], others = rows.length - 1;
  const shown = teachers.length < others ? `The ${teachers.length} teachers with most complementary knowledge; the CSV has all ${others.toLocaleString("en")}:` : "Teachers by complementary knowledge:";
  element("about").textContent = `${name(state.student)} has an accuracy of ${percent(from)} on ${images.toLocaleString("en")} images. ${shown}`;
  fill(element("teachers"), head, body).forEach((row, place) => {
    row.dataset.model = teachers[place];
    row.classList.toggle("chosen", teachers[place] === state.teacher);
    row.addEventListener("click", () => choose({ teacher: teachers[place] }));
  });
}

function showPair() {
  const { student, teacher } = state, pair = counts.pair(student, teacher);
  const shown = (count) => [count.toLocaleString("en"), percent(count / images)];
  fill(element("pair"), [`${name(student)} (student) and ${name(teacher)} (teacher)`, "images", "share"], [
    ["only the teacher is correct (positive flips)", ...shown(pair.teacher_only)],
    ["only the student is correct (negative flips)", ...shown(pair.student_only)],
    ["both are correct", ...shown(pair.both)], ["neither is correct", ...shown(pair.neither)],
    ...(ratios ? [["positive flips over expected, on all images", "", overExpected(student, teacher).toFixed(2)]] : []),
    ...byAcceptedLabels(student, teacher),
    ["error consistency", "", consistency(pair).toFixed(4)],
    ["flip entropy (nats)", "", MEASURES.entropy.value(pair, student, teacher).toFixed(4)],
  ]);
  const flips = flipsByClass(rows[student], rows[teacher], mask, facts.starts);
  const top = flips.map((count, label) => [count, label]).filter(([count]) => count).sort((a, b) => b[0] - a[0] || a[1] - b[1]).slice(0, 10);
  fill(element("byclass"), ["class", "positive flips", "share of them"], top.map(([count, label]) => [facts.classes[label].name, count, percent(count / pair.teacher_only, 1)]));
  showTransfers(student, teacher);
}

function showTransfers(student, teacher) {
  const place = element("transfers"), found = measured(student, teacher);
  place.replaceChildren();
  if (!facts.deltas.length) return;
  const title = document.createElement("h3"), table = document.createElement("table"), text = document.createElement("p"), code = document.createElement("code");
  title.textContent = "Transfers";
  if (found.length) fill(table, ["method", "delta (points)", "95 % interval"], found.map((row) => [row[0], points(row[3]), `${points(row[4])} to ${points(row[5])}`]));
  else text.textContent = "This pair was not transferred. Add it to pairs in the config; the command of one transfer is then: ";
  if (found.length) text.textContent = "On all evaluation images. The command of one transfer: ";
  code.textContent = `snakemake --cores 2 results/${facts.study}/transfers/${facts.deltas[0][0]}/${name(student)}/${name(teacher)}/0.parquet`;
  text.append(code);
  place.append(title, table, text);
}

function showTeam() {
  const slots = [], team = greedyTeam(rows, state.student, mask, images, state.team);
  for (let word = 0; word < mask.length; word += 1) for (let bit = 0; bit < 32; bit += 1) if ((mask[word] >>> bit) & 1) slots.push(word * 32 + bit);
  const labels = [];
  for (let label = 0; label < facts.classes.length; label += 1) {
    labels.length = facts.starts[label + 1] * 32;
    labels.fill(label, facts.starts[label] * 32);
  }
  const head = ["model", "accuracy (%)", "oracle (%)", ...(predictions ? ["vote (%)"] : []), ...(ranks ? ["most confident (%)"] : [])];
  fill(element("team"), head, team.map((member, place) => {
    const members = team.slice(0, place + 1).map((one) => one.model), shares = [accuracy[member.model], member.oracle];
    if (predictions) shares.push(vote(predictions, labels, members, slots));
    if (ranks) shares.push(mostConfident(predictions, ranks, labels, members, slots));
    return [name(member.model), ...shares.map((share) => (100 * share).toFixed(2))];
  }));
}

function showControls() {
  element("student").value = name(state.student);
  element("teacher").value = name(state.teacher);
  for (const key of ["measure", "order", "least", "most"]) element(key).value = state[key];
  element("members").value = state.team;
  const selected = [...element("classes").selectedOptions].map((option) => Number(option.value));
  if (String(selected) === String(state.classes)) return; // thousands of options need not be set again
  for (const option of element("classes").options) option.selected = state.classes.includes(Number(option.value));
}

function choose(change, recount = false) {
  const before = { ...state };
  Object.assign(state, change);
  if (state.student === state.teacher) state.teacher = before.student !== state.student ? before.student : Number(!state.student);
  if (recount) chooseImages();
  writeAddress();
  showControls();
  if (!images) { element("status").textContent = "No image is left; choose other classes or numbers of models."; return; }
  const anew = recount || before.measure !== state.measure, moved = before.order !== state.order || state.order === "alike";
  if (anew || moved) placed = order();
  if (anew) { matrix.begin(MEASURES[state.measure], counts, placed); fillMatrix(); }
  else if (moved) paintMatrix();
  else { showMatrix(); showScatter(); }
  showModel(); showPair();
  later("team", showTeam, 30);
}

// Work that may wait until what was asked for is on the screen; the last call of a name counts.
const waiting = new Map();
function later(name, work, milliseconds = 0) {
  clearTimeout(waiting.get(name));
  waiting.set(name, setTimeout(work, milliseconds));
}

// Count the matrix for a while, show how far it is, and go on later.
let painted = -Infinity; // so that the first call paints, and all that follows has a picture
function fillMatrix() {
  matrix.advance(30);
  if (matrix.done || performance.now() - painted > 400) paintMatrix();
  const share = matrix.done ? "" : ` All pairs: ${Math.floor((100 * matrix.next) / rows.length)} % counted.`;
  element("status").textContent = `${images.toLocaleString("en")} of ${facts.images.toLocaleString("en")} images.${share}`;
  if (!matrix.done) later("matrix", fillMatrix);
}

function paintMatrix() {
  matrix.paint(placed, shades());
  painted = performance.now();
  drawMatrix();
}

function listen() {
  const typed = (role) => element(role).addEventListener("change", () => {
    const found = facts.models.findIndex((model) => model.name === element(role).value.trim());
    if (found >= 0) choose({ [role]: found });
    else element("status").textContent = `No model is called ${element(role).value}.`;
  });
  typed("student"); typed("teacher");
  for (const key of ["measure", "order"]) element(key).addEventListener("change", () => choose({ [key]: element(key).value }));
  element("members").addEventListener("change", () => choose({ team: Math.max(1, Number(element("members").value)) }));
  for (const key of ["least", "most"]) element(key).addEventListener("change", () => choose({ [key]: Number(element(key).value) }, true));
  element("classes").addEventListener("change", () => choose({ classes: [...element("classes").selectedOptions].map((option) => Number(option.value)) }, true));
  element("search").addEventListener("input", () => {
    const part = element("search").value.toLowerCase();
    for (const option of element("classes").options) option.hidden = !option.textContent.toLowerCase().includes(part);
  });
  element("all").addEventListener("click", () => choose({ classes: [], least: 0, most: facts.models.length }, true));
  element("whole").addEventListener("click", () => { Object.assign(view, { scale: 1, x: 0, y: 0 }); showMatrix(); });
  element("csv").addEventListener("click", saveCsv);
  element("controls").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", () => { readAddress(); choose({}, true); });
  window.addEventListener("resize", drawMatrix);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawMatrix);
  listenToMatrix();
  element("scatter").addEventListener("click", (event) => {
    const box = element("scatter").getBoundingClientRect(), far = (dot) => (dot.x - event.clientX + box.left) ** 2 + (dot.y - event.clientY + box.top) ** 2;
    const { student, teacher } = [...scatter.dots, ...scatter.chosen].reduce((best, dot) => (far(dot) < far(best) ? dot : best));
    choose({ student, teacher });
  });
}

function listenToMatrix() {
  const matrix = element("matrix");
  let from = null;
  matrix.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = matrix.getBoundingClientRect(), scale = Math.min(Math.max(view.scale * (event.deltaY < 0 ? 1.25 : 0.8), 1), placed.length / 4);
    const zoom = (moved, where) => Math.max(0, ((moved + where) * scale) / view.scale - where);
    Object.assign(view, { x: zoom(view.x, event.clientX - box.left), y: zoom(view.y, event.clientY - box.top), scale });
    showMatrix();
  }, { passive: false });
  matrix.addEventListener("pointerdown", (event) => { from = { x: event.clientX, y: event.clientY, moved: false }; });
  matrix.addEventListener("pointermove", (event) => {
    if (from && event.buttons && view.scale > 1) {
      Object.assign(view, { x: Math.max(0, view.x + from.x - event.clientX), y: Math.max(0, view.y + from.y - event.clientY) });
      from = { x: event.clientX, y: event.clientY, moved: true };
      showMatrix();
    } else {
      const { student, teacher } = cellAt(event);
      if (student === undefined || teacher === undefined || student === teacher) matrix.title = "";
      else matrix.title = [`student ${name(student)}, teacher ${name(teacher)}`, ...Object.values(MEASURES).map((measure) => {
        const found = measure.value(counts.pair(student, teacher), student, teacher);
        return Number.isFinite(found) ? `${measure.title} ${measure.unit(found)}` : null;
      }).filter(Boolean)].join("\n");
    }
  });
  matrix.addEventListener("pointerup", (event) => {
    const { student, teacher } = cellAt(event), moved = from && from.moved;
    from = null;
    if (!moved && student !== undefined && teacher !== undefined && student !== teacher) choose({ student, teacher });
  });
  matrix.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: ["student", -1], ArrowDown: ["student", 1], ArrowLeft: ["teacher", -1], ArrowRight: ["teacher", 1] }[event.key];
    if (!steps) return;
    event.preventDefault();
    const [role, step] = steps, other = role === "student" ? state.teacher : state.student;
    let next = placed.indexOf(state[role]) + step;
    if (placed[next] === other) next += step;
    if (placed[next] !== undefined) choose({ [role]: placed[next] });
  });
}

function saveCsv() {
  const { head, body } = teachersTable(), quoted = (cell) => `"${String(cell).replaceAll('"', '""')}"`;
  const text = [["student", ...head], ...body.map((cells) => [name(state.student), ...cells])].map((cells) => cells.map(quoted).join(",")).join("\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = `${facts.study}_teachers.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}

async function start() {
  element("study").textContent = facts.study;
  document.title = `Transfer Atlas: ${facts.study}`;
  element("size").textContent = `${facts.models.length} models, ${facts.images.toLocaleString("en")} evaluation images, ${facts.classes.length} classes`;
  const option = (value, text) => { const made = document.createElement("option"); made.value = value; if (text !== undefined) made.textContent = text; return made; };
  element("names").append(...facts.models.map((model) => option(model.name)));
  if (!element("expected").textContent) delete MEASURES.expected;
  element("measure").append(...Object.entries(MEASURES).map(([key, measure]) => option(key, measure.title)));
  element("classes").append(...facts.classes.map((label, number) => option(number, label.name)));
  const words = facts.starts[facts.starts.length - 1], cut = (array, length) => facts.models.map((_, model) => array.subarray(model * length, (model + 1) * length));
  rows = cut(await unpack(element("correct").textContent, Uint32Array), words);
  if (MEASURES.expected) ratios = await unpack(element("expected").textContent, Uint16Array);
  if (element("accepted").textContent) accepted = await unpack(element("accepted").textContent, Uint16Array);
  if (element("predictions").textContent) predictions = cut(await unpack(element("predictions").textContent, Uint16Array), words * 32);
  if (element("ranks").textContent) ranks = cut(await unpack(element("ranks").textContent, facts.models.length > 256 ? Uint16Array : Uint8Array), words * 32);
  counts = new PairCounts(rows);
  matrix = new MeasureMatrix(rows.length);
  if (element("both").textContent) counts.ofAllImages = await unpack(element("both").textContent, facts.images < 65536 ? Uint16Array : Uint32Array);
  readAddress();
  listen();
  choose({}, true);
}

start();
