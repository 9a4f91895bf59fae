// The behaviour of the page on two models: arrows from the old to the new place of words that
// moved, and neighbours then and now.

const ARROWS = 20; // that are shown before a word is picked

class Change extends Atlas {
  fill() {
    super.fill();
    this.lists = [["then", "third"], ["now", "second"]].map(([side, color]) => ({
      side, color, neighbours: numbers(data[side], Uint32Array),
      cosines: numbers(data[`cosines ${side}`], Float32Array),
    }));
    const before = numbers(data.before, Float32Array);
    this.moves = data.moved.map((index, i) => {
      const x0 = before[2 * i], y0 = before[2 * i + 1], x = this.x[index], y = this.y[index];
      return {index, x, y, x0, y0, angle: Math.atan2(y - y0, x - x0) - Math.PI / 2};
    });
    this.home();
  }

  // The whole map with the words that moved most.

  home() {
    this.focus = undefined;
    const first = this.moves.slice(0, ARROWS);
    this.stand([], first.map(({index}) => ({index, color: "second"})));
  }

  draw() {
    super.draw();
    const shown = {x: [], y: [], x0: [], y0: [], angle: [], alpha: []};
    const {focus} = this;
    for (const move of focus === undefined ? this.moves.slice(0, ARROWS) : [focus ?? []].flat()) {
      for (const part of ["x", "y", "x0", "y0", "angle"]) shown[part].push(move[part]);
      shown.alpha.push(0.9);
    }
    this.source("moves").data = shown;
  }

  // The name of where an arrow begins stands before all others.

  labels() {
    const {focus} = this;
    return focus ? [{x: focus.x0, y: focus.y0, text: `${short(this.words[focus.index])}, then`}] : [];
  }

  // The neighbours then and now, as two lists; those in both have the colour of neither.

  describe(index) {
    const {k} = data, part = ({neighbours}) => [...neighbours.slice(index * k, (index + 1) * k)];
    const [then, now] = this.lists.map(part), near = new Map();
    const both = new Set(then.filter((other) => now.includes(other)));
    const columns = document.createElement("div");
    columns.className = "columns";
    for (const {side, color, neighbours, cosines} of this.lists) {
      const title = document.createElement("h4"), column = document.createElement("div");
      title.textContent = side;
      column.append(title, this.list(index, neighbours, cosines, (other) =>
        both.has(other) ? "soft" : color));
      columns.append(column);
      for (const other of part({neighbours})) {
        if (other >= this.x.length) continue;
        near.set(other, {index: other, size: 9, color: both.has(other) ? "soft" : color, edge: 1});
      }
    }
    const facts = [data.facts[index] ?? "not ranked", "nearest by cosine:"].join("; ");
    return {facts, parts: [columns], near: [...near.values()]};
  }

  pick(index) {
    this.focus = this.moves.find((move) => move.index === index) ?? null;
    super.pick(index);
    element("words").scrollIntoView({block: "nearest"});
  }

  extent() {
    const [xs, ys] = super.extent();
    return this.focus ? [[...xs, this.focus.x0], [...ys, this.focus.y0]] : [xs, ys];
  }
}
