// Counts and measures of all pairs. A small zoo is counted at once, a large one row by row, in slices of time between which the
// page can be used; the rows that are shown are counted when they are needed.

class PairCounts {
  constructor(rows) {
    this.rows = rows;
    this.models = rows.length;
    this.both = new Uint32Array(rows.length ** 2); // images that both models predict correctly
    this.counted = new Uint8Array(rows.length); // rows of `both` that are whole
  }

  // Start over on the images of a mask; `upper` holds the counts of all images above the diagonal, where the page has them.
  reset(mask, upper = null) {
    this.images = countBits(mask);
    const places = Uint32Array.from(mask.keys()).filter((place) => mask[place]); // words without a chosen image count nothing
    this.masked = this.rows.map((row) => Uint32Array.from(places, (place) => row[place] & mask[place]));
    this.right = Float64Array.from(this.masked, countBits);
    this.counted.fill(upper ? 1 : 0);
    for (let first = 0, place = 0; upper && first < this.models; first += 1) {
      for (let second = first + 1; second < this.models; second += 1, place += 1) this.set(first, second, upper[place]);
      this.set(first, first, this.right[first]);
    }
  }

  set(first, second, count) {
    this.both[first * this.models + second] = count;
    this.both[second * this.models + first] = count;
  }

  // Make sure that a row is counted; whole rows before it know their part of it.
  row(student) {
    if (this.counted[student]) return;
    for (let teacher = 0; teacher < this.models; teacher += 1) {
      if (!this.counted[teacher]) this.set(student, teacher, countCommon(this.masked[student], this.masked[teacher]));
    }
    this.counted[student] = 1;
  }

  pair(student, teacher) {
    const known = this.counted[student] || this.counted[teacher];
    const both = known ? this.both[student * this.models + teacher] : countCommon(this.masked[student], this.masked[teacher]);
    const student_only = this.right[student] - both, teacher_only = this.right[teacher] - both;
    return { both, student_only, teacher_only, neither: this.images - both - student_only - teacher_only, images: this.images };
  }
}

// One measure of all pairs, in an image with a pixel per pair.
class MeasureMatrix {
  constructor(models) {
    this.models = models;
    this.values = new Float32Array(models ** 2);
    this.canvas = document.createElement("canvas");
    [this.canvas.width, this.canvas.height] = [models, models];
  }

  // Begin anew with a measure; rows come in the order in which they stand.
  begin(measure, counts, placed) {
    [this.measure, this.counts, this.placed, this.next] = [measure, counts, placed, 0];
    this.values.fill(NaN);
  }

  get done() { return this.next >= this.models; }

  // Fill rows until the time is over.
  advance(milliseconds) {
    const end = performance.now() + milliseconds;
    while (!this.done && performance.now() < end) {
      const student = this.placed[this.next];
      this.counts.row(student);
      for (let teacher = 0; teacher < this.models; teacher += 1) {
        if (teacher !== student) this.values[student * this.models + teacher] = this.measure.value(this.counts.pair(student, teacher), student, teacher);
      }
      this.next += 1;
    }
  }

  // Lowest and highest value so far; around zero where the measure has two sides.
  findRange() {
    let low = Infinity, high = -Infinity;
    for (const found of this.values) {
      if (found < low && found !== -Infinity) low = found;
      if (found > high && found !== Infinity) high = found;
    }
    if (low > high) return [0, 1];
    const most = Math.max(Math.abs(low), Math.abs(high));
    return this.measure.diverging ? [-most, most] : [low, high];
  }

  // Colour all pairs, rows and columns in the order of `placed`; `shades` are 256 colours as red, green, blue, opacity.
  paint(placed, shades) {
    const context = this.canvas.getContext("2d"), image = context.createImageData(this.models, this.models);
    const pixels = new Uint32Array(image.data.buffer), colours = new Uint32Array(shades.buffer), unknown = 0x40808080;
    this.range = this.findRange();
    const [low, high] = this.range, scale = 255 / (high - low || 1);
    placed.forEach((student, down) => placed.forEach((teacher, right) => {
      const found = this.values[student * this.models + teacher];
      pixels[down * this.models + right] = Number.isFinite(found) ? colours[Math.round((found - low) * scale)] : unknown;
    }));
    context.putImageData(image, 0, 0);
  }
}
