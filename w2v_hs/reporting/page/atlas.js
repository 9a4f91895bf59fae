// The map: words as points, names as there is room, search, neighbours, sides of the tree.

class Atlas {
  constructor(plot) {
    this.plot = plot;
    this.words = data.words;
    this.x = numbers(data.x, Float32Array);
    this.y = numbers(data.y, Float32Array);
    this.place = new Map();
    this.words.slice(0, this.x.length).forEach((word, i) => {
      if (!this.place.has(word)) this.place.set(word, i);
    });
    this.picks = []; // what stands out: {index, size, color, edge}, a colour by its name
    this.names = []; // the words among them whose names come first
    this.source = (name) => plot.renderers.find((r) => r.data_source.name === name).data_source;
    this.fill();
    this.listen();
    this.whole();
  }

  fill() {
    const n = this.x.length, count = data.counts ?? new Array(n).fill("not known");
    this.groups = Array.from({length: n}, (_, i) => {
      const code = data.codes ? data.codes[i].toString(2).slice(1) : "";
      return (data.groups ?? []).findIndex((group) => code.startsWith(group));
    });
    const color = new Array(n).fill(ink("points"));
    const size = Array.from({length: n}, (_, i) => 3 + 7 / (1 + i / 150));
    this.source("words").data = {
      x: this.x, y: this.y, size, color, word: this.words.slice(0, n), rank: data.ranks, count,
    };
  }

  listen() {
    const {plot} = this;
    let waiting = false;
    const later = () => { // many changes of the ranges, one drawing
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; this.label(); });
    };
    plot.x_range.change.connect(later);
    plot.y_range.change.connect(later);
    plot.properties.inner_width.change.connect(() => this.moved ? later() : this.whole());
    const selected = this.source("words").selected;
    selected.properties.indices.change.connect(() => {
      if (!selected.indices.length) return;
      const index = Math.min(...selected.indices); // of words on top of each other the most frequent
      selected.indices = []; // so that the same word can be clicked again
      this.pick(index);
    });
    element("closer").onclick = () => this.zoom(0.6);
    element("wider").onclick = () => this.zoom(1 / 0.6);
    element("whole").onclick = () => {
      this.home();
      this.whole();
    };
    const input = element("word");
    input.oninput = () => this.suggest(input.value);
    element("search").onsubmit = (event) => {
      event.preventDefault();
      this.search(input.value);
    };
    document.body.addEventListener("click", (event) => {
      const {word, code} = event.target.dataset ?? {};
      if (word !== undefined) this.search(word);
      if (code !== undefined) this.side(event.target);
    });
  }

  // The ranges: the same scale along both axes.

  frame(x0, x1, y0, y1) {
    const {plot} = this, wide = plot.inner_width || 800, high = plot.inner_height || 560;
    const scale = Math.max((x1 - x0) / wide, (y1 - y0) / high) || 1e-6;
    const x = (x0 + x1) / 2, y = (y0 + y1) / 2;
    plot.x_range.setv({start: x - scale * wide / 2, end: x + scale * wide / 2});
    plot.y_range.setv({start: y - scale * high / 2, end: y + scale * high / 2});
  }

  whole() {
    this.moved = false;
    const [x0, x1] = bounds(this.x), [y0, y1] = bounds(this.y);
    this.frame(x0 - 0.05, x1 + 0.05, y0 - 0.05, y1 + 0.05);
  }

  home() {
    this.stand([], []);
  }

  zoom(factor) {
    this.moved = true;
    for (const range of [this.plot.x_range, this.plot.y_range]) {
      const middle = (range.start + range.end) / 2, half = (range.end - range.start) / 2;
      range.setv({start: middle - factor * half, end: middle + factor * half});
    }
  }

  // Names, the most frequent first, wherever they do not touch one that is there already.

  label() {
    const {plot, x, y} = this, {x_range, y_range} = plot;
    const wide = plot.inner_width, high = plot.inner_height;
    if (!wide) return;
    const across = wide / (x_range.end - x_range.start), up = high / (y_range.end - y_range.start);
    const colours = inks();
    const rest = ink(this.picks.length ? "soft" : "ink");
    const cells = new Map(), shown = {x: [], y: [], text: [], dy: [], color: []};
    const chosen = new Map(this.names.map((pick) => [pick.index, pick]));
    const order = [...chosen.keys()];
    room(cells, wide - 170, wide, 0, 60); // the buttons
    for (const {x, y, text} of this.labels()) {
      const left = (x - x_range.start) * across, top = (y_range.end - y) * up, half = 3.6 * text.length + 4;
      room(cells, left - half, left + half, top - 20, top - 4);
      for (const [part, value] of Object.entries({x, y, text, dy: -5, color: colours.accent})) {
        shown[part].push(value);
      }
    }
    for (const i of order.slice(0, 20)) { // no name hides a neighbour
      const left = (x[i] - x_range.start) * across, top = (y_range.end - y[i]) * up;
      room(cells, left - 6, left + 6, top - 4, top + 6);
    }
    for (let i = 0; i < x.length; i++) if (!chosen.has(i)) order.push(i);
    for (const i of order) {
      const left = (x[i] - x_range.start) * across, top = (y_range.end - y[i]) * up;
      const text = short(this.words[i]), half = 3.6 * text.length + 4;
      if (left < half || left > wide - half || top < 20 || top > high) continue;
      if (!room(cells, left - half, left + half, top - 20, top - 4)) continue;
      shown.x.push(x[i]);
      shown.y.push(y[i]);
      shown.text.push(text);
      shown.dy.push(-5);
      shown.color.push(chosen.has(i) ? colours[chosen.get(i).color] : rest);
      if (shown.x.length === 160) break;
    }
    this.source("labels").data = shown;
  }

  labels() { // before the names of words
    return [];
  }

  draw() {
    const colours = inks();
    const {picks} = this, look = {x: [], y: [], size: [], color: [], edge: []};
    for (const {index, size, color, edge} of picks) {
      look.x.push(this.x[index]);
      look.y.push(this.y[index]);
      look.size.push(size);
      look.color.push(colours[color]);
      look.edge.push(edge);
    }
    this.source("picked").data = look;
    const points = this.plot.renderers.find((r) => r.name === "points");
    points.glyph.fill_alpha = picks.length ? 0.18 : 0.6;
    this.label();
  }

  // The colours of the points: by the first splits of the tree, if there is one.

  paint() {
    const inks = data.groups?.map((_, group) => ink(`group${group}`)), one = ink("points");
    const source = this.source("words");
    source.data = {...source.data, color: this.groups.map((group) => inks?.[group] ?? one)};
  }

  // Search and neighbours.

  suggest(text) {
    const wanted = text.trim().toLowerCase(), found = [];
    // The word itself first, then the most frequent that begin with it.
    for (const fits of [(word) => word === wanted, (word) => word.startsWith(wanted)]) {
      for (let i = 0; wanted && i < this.x.length && found.length < 6; i++) {
        const word = this.words[i];
        if (fits(word.toLowerCase()) && !found.includes(word)) found.push(word);
      }
    }
    const none = wanted && !found.length ? [`No word on this map begins with “${text.trim()}”.`] : [];
    element("suggestions").replaceChildren(...none, ...found.map((word) => button(word)));
  }

  search(text) {
    const wanted = text.trim();
    let index = this.place.get(text) ?? this.place.get(wanted);
    if (index === undefined && wanted) {
      const lower = wanted.toLowerCase();
      const at = this.words.findIndex((word, i) =>
        i < this.x.length && word.toLowerCase() === lower);
      if (at >= 0) index = at;
    }
    if (index !== undefined) this.pick(index);
    else if (wanted) element("suggestions").textContent = `“${wanted}” is not on this map.`;
  }

  pick(index) {
    const {facts, parts, near} = this.describe(index);
    const heading = document.createElement("h3"), line = document.createElement("p");
    heading.textContent = this.words[index];
    line.textContent = facts;
    line.className = "note";
    element("found").replaceChildren(heading, line, ...parts);
    element("suggestions").replaceChildren();
    const picked = {index, size: 14, color: "accent", edge: 1};
    this.stand([...near, picked], [picked, ...near]);
    const [xs, ys] = this.extent(), [x0, x1] = bounds(xs), [y0, y1] = bounds(ys);
    const margin = 0.25 * Math.max(x1 - x0, y1 - y0, 0.05);
    this.moved = true;
    this.frame(x0 - margin, x1 + margin, y0 - margin, y1 + margin);
  }

  // What is said of a word, and its neighbours on the map.

  describe(index) {
    const {k} = data, neighbours = numbers(data.neighbours, Uint32Array);
    const near = [...neighbours.slice(index * k, (index + 1) * k)]
      .filter((other) => other < this.x.length)
      .map((other) => ({index: other, size: 10, color: "second", edge: 1}));
    const count = data.counts ? `, occurs ${data.counts[index].toLocaleString("en")} times` : "";
    const facts = `rank ${data.ranks[index].toLocaleString("en")}${count}; nearest by cosine:`;
    const list = this.list(index, neighbours, numbers(data.cosines, Float32Array), () => "second");
    return {facts, parts: [list], near};
  }

  // The neighbours of a word with their cosines, each in a colour by its name.

  list(index, neighbours, cosines, colour) {
    const {k} = data, list = document.createElement("ol");
    for (let j = index * k; j < (index + 1) * k; j++) {
      const other = neighbours[j], onMap = other < this.x.length;
      const line = document.createElement("li"), cosine = document.createElement("span");
      const bar = document.createElement("i");
      bar.style.width = `${100 * Math.max(0, cosines[j])}%`;
      cosine.textContent = cosines[j].toFixed(3);
      line.style.setProperty("--own", `var(--${colour(other)})`);
      line.append(button(this.words[other], onMap), cosine, bar);
      list.append(line);
    }
    return list;
  }

  extent() {
    return [this.x, this.y].map((places) => this.picks.map(({index}) => places[index]));
  }

  // The words below a node of the tree, which their first bits say.

  side(pressed) {
    const off = pressed.getAttribute("aria-pressed") === "true";
    const {code} = pressed.dataset, below = [];
    if (!off) {
      data.codes.forEach((bits, index) => {
        if (!bits.toString(2).slice(1).startsWith(code)) return;
        below.push({index, size: 4, color: "second", edge: 0});
      });
    }
    this.stand(below, below.slice(0, 60));
    pressed.setAttribute("aria-pressed", String(!off));
    this.whole();
    if (!off) element("words").scrollIntoView({block: "start"});
  }

  stand(picks, names) {
    document.querySelectorAll(".show[aria-pressed=true]")
      .forEach((shown) => shown.setAttribute("aria-pressed", "false"));
    this.picks = picks;
    this.names = names;
    this.draw();
  }
}

