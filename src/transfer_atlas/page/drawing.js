// The matrix of all pairs and the scatter beside it, each on a canvas.

const view = { scale: 1, x: 0, y: 0 };
const MOST_DOTS = 20000; // of more pairs the scatter shows a sample
let cell = 10, scatter = null;

// Colours that all eyes tell apart: cividis, and blue to orange around zero.
const SEQUENTIAL = [[0, 34, 78], [65, 77, 108], [124, 123, 120], [186, 174, 108], [254, 232, 56]];
const DIVERGING = [[0, 114, 178], [143, 190, 220], [240, 240, 240], [238, 170, 110], [213, 94, 0]];

// 256 shades of the chosen measure, as red, green, blue, opacity.
function shades() {
  const anchors = MEASURES[state.measure].diverging ? DIVERGING : SEQUENTIAL, made = new Uint8Array(1024).fill(255);
  for (let shade = 0; shade < 256; shade += 1) {
    const place = (shade / 255) * (anchors.length - 1), low = Math.min(Math.floor(place), anchors.length - 2);
    for (let channel = 0; channel < 3; channel += 1) {
      made[4 * shade + channel] = Math.round(anchors[low][channel] + (anchors[low + 1][channel] - anchors[low][channel]) * (place - low));
    }
  }
  return made;
}

function prepare(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}

const colourOf = (property) => getComputedStyle(document.documentElement).getPropertyValue(property);

// The part of the matrix that is looked at, and the chosen pair in it.
function showMatrix() {
  const canvas = element("matrix"), width = Math.min(560, canvas.parentElement.clientWidth);
  const context = prepare(canvas, width, width);
  cell = (width / placed.length) * view.scale;
  context.imageSmoothingEnabled = cell < 1;
  context.drawImage(matrix.canvas, -view.x, -view.y, cell * placed.length, cell * placed.length);
  context.strokeStyle = MEASURES[state.measure].diverging ? colourOf("--ink") : "#ff9d4d";
  context.lineWidth = 2;
  const edge = Math.max(cell, 6), corner = (model, moved) => placed.indexOf(model) * cell - moved - (edge - cell) / 2;
  context.strokeRect(corner(state.teacher, view.x), corner(state.student, view.y), edge, edge);
}

// The matrix with its legend, and the scatter.
function drawMatrix() {
  const measure = MEASURES[state.measure], [low, high] = matrix.range, colours = shades();
  showMatrix();
  element("meaning").textContent = `${measure.meaning} Rows are students, columns teachers, in the order of ${element("order").selectedOptions[0].textContent}.`;
  [element("lowest").textContent, element("highest").textContent] = [measure.unit(low), measure.unit(high)];
  const bar = prepare(element("bar"), 120, 10);
  for (let step = 0; step < 120; step += 1) {
    const shade = 4 * Math.round((255 * step) / 119);
    bar.fillStyle = `rgb(${colours.slice(shade, shade + 3).join(",")})`;
    bar.fillRect(step, 0, 1, 10);
  }
  drawBackground();
  showScatter();
}

// Pairs that the scatter shows: all, or every so many of them.
function sampledPairs() {
  const models = rows.length, all = models * models, step = Math.ceil(all / MOST_DOTS), sampled = [];
  // a step that shares no divisor with the row length visits all columns
  let stride = step;
  while (step > 1 && greatestDivisor(stride, models) > 1) stride += 1;
  for (let place = 0; place < all; place += stride) sampled.push([Math.floor(place / models), place % models]);
  return { sampled, whole: step === 1 };
}

function greatestDivisor(first, second) {
  return second ? greatestDivisor(second, first % second) : first;
}

// Where the scatter puts a pair; null where it has no value.
function dotOf(student, teacher, width, height, most) {
  const found = matrix.values[student * rows.length + teacher], [low, high] = matrix.range;
  if (student === teacher || !Number.isFinite(found)) return null;
  const x = 60 + ((accuracy[teacher] - accuracy[student] + most) / (2 * most)) * (width - 75);
  return { student, teacher, x, y: height - 40 - ((found - low) / (high - low || 1)) * (height - 55) };
}

// The dots of all pairs, or of a sample, with the texts; drawn when the matrix was painted, and the student's dots over it.
function drawBackground() {
  const canvas = document.createElement("canvas"), width = Math.min(560, element("scatter").parentElement.clientWidth), height = 260;
  const context = prepare(canvas, width, height), { sampled, whole } = sampledPairs(), [low, high] = matrix.range;
  const most = Math.max(...accuracy) - Math.min(...accuracy) || 1;
  [context.globalAlpha, context.fillStyle] = [whole ? 0.35 : 0.12, colourOf("--ink")];
  const dots = sampled.map(([student, teacher]) => dotOf(student, teacher, width, height, most)).filter(Boolean);
  for (const dot of dots) context.fillRect(dot.x - 1.5, dot.y - 1.5, whole ? 3 : 2, whole ? 3 : 2);
  [context.globalAlpha, context.font] = [1, "12px system-ui, sans-serif"];
  context.fillText("accuracy difference, teacher - student (points)", 60, height - 6);
  context.fillText((-100 * most).toFixed(1), 60, height - 22);
  context.fillText(`+${(100 * most).toFixed(1)}`, width - 45, height - 22);
  context.fillText(MEASURES[state.measure].title + (whole ? "" : `, a sample of ${sampled.length.toLocaleString("en")} pairs`), 60, 20);
  context.fillText(MEASURES[state.measure].unit(high), 2, 20);
  context.fillText(MEASURES[state.measure].unit(low), 2, height - 42);
  scatter = { width, height, most, whole, dots, canvas };
}

function showScatter() {
  const { width, height, most, whole } = scatter, context = prepare(element("scatter"), width, height);
  context.drawImage(scatter.canvas, 0, 0, width, height);
  context.fillStyle = colourOf("--mark");
  scatter.chosen = placed.map((teacher) => dotOf(state.student, teacher, width, height, most)).filter(Boolean);
  for (const dot of scatter.chosen) {
    const size = dot.teacher === state.teacher ? 9 : whole ? 5 : 2;
    context.fillRect(dot.x - size / 2, dot.y - size / 2, size, size);
  }
}

// The pair under the pointer; a part of it is undefined beside the matrix.
function cellAt(event) {
  const box = element("matrix").getBoundingClientRect();
  const place = (where, moved) => placed[Math.floor((where + moved) / cell)];
  return { student: place(event.clientY - box.top, view.y), teacher: place(event.clientX - box.left, view.x) };
}
