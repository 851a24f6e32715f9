// Saves figures and reads the heatmap. Saving works on the SVG as it is shown: colours and fonts are
// written into a copy of it first.
const download = (blob, name) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob); link.download = name; link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
const KEPT = ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'stroke-linecap', 'opacity', 'fill-opacity',
  'font-family', 'font-size', 'font-weight', 'text-anchor', 'image-rendering'];
const written = (svg) => {
  const copy = svg.cloneNode(true), size = svg.viewBox.baseVal;
  const from = [svg, ...svg.querySelectorAll('*')], to = [copy, ...copy.querySelectorAll('*')];
  from.forEach((shape, i) => {
    const style = getComputedStyle(shape);
    to[i].setAttribute('style', KEPT.map((name) => `${name}:${style.getPropertyValue(name)}`).join(';'));
  });
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.setAttribute('width', size.width); copy.setAttribute('height', size.height);
  const ground = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
  for (const [name, value] of [['x', size.x], ['y', size.y], ['width', '100%'], ['height', '100%'],
    ['fill', getComputedStyle(element).getPropertyValue('--s-card')]]) ground.setAttribute(name, value);
  copy.prepend(ground);
  return new Blob([new XMLSerializer().serializeToString(copy)], {type: 'image/svg+xml'});
};
const save = {
  svg: (svg, name) => download(written(svg), `${name}.svg`),
  png: (svg, name) => {
    const picture = new Image(), size = svg.viewBox.baseVal, url = URL.createObjectURL(written(svg));
    picture.onload = () => {
      const page = document.createElement('canvas');
      page.width = 2 * size.width; page.height = 2 * size.height;
      page.getContext('2d').drawImage(picture, 0, 0, page.width, page.height);
      URL.revokeObjectURL(url);
      page.toBlob((blob) => download(blob, `${name}.png`));
    };
    picture.src = url;
  },
  csv: (svg, name, figure) => {
    const {columns, values, labels} = JSON.parse(figure.dataset.table), width = columns.length;
    const numbers = new Float32Array(Uint8Array.from(atob(values), (c) => c.charCodeAt(0)).buffer);
    const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
    const rows = labels.map((label, i) => [quoted(label), ...numbers.slice(i * width, (i + 1) * width)].join());
    download(new Blob([[['', ...columns.map(quoted)].join(), ...rows].join('\n')], {type: 'text/csv'}), `${name}.csv`);
  },
};
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-save]'), figure = event.target.closest('.g-figure');
  if (button) save[button.dataset.save](figure.querySelector('svg'), figure.dataset.name, figure);
  const cell = cellAt(event);
  if (cell) trigger('point', {kind: cell.row < cell.n ? 'generated' : 'text', item: cell.items[cell.row % cell.n]});
});
const cellAt = (event) => {
  const image = event.target.closest?.('.g-cells');
  if (!image) return null;
  const figure = image.closest('.g-figure'), area = image.getBoundingClientRect(), {items} = figure.dataset;
  const known = JSON.parse(items), n = known.length, side = 2 * n;
  const column = Math.min(side - 1, Math.floor(((event.clientX - area.left) / area.width) * side));
  const row = Math.min(side - 1, Math.floor(((event.clientY - area.top) / area.height) * side));
  return row < 0 || column < 0 ? null : {figure, items: known, n, row, column};
};
element.addEventListener('pointermove', (event) => {
  const cell = cellAt(event), readout = element.querySelector('.g-readout');
  if (!readout) return;
  if (!cell) { readout.textContent = readout.dataset.idle; return; }
  const table = JSON.parse(cell.figure.dataset.table), {n, row, column} = cell;
  element.numbers = element.tableText === cell.figure.dataset.table ? element.numbers
    : new Float32Array(Uint8Array.from(atob(table.values), (c) => c.charCodeAt(0)).buffer);
  element.tableText = cell.figure.dataset.table;
  const name = (i) => `${i < n ? 'picture' : 'text'} “${table.labels[i].replace(/^(picture|text): /, '')}”`;
  readout.textContent = `${element.numbers[row * 2 * n + column].toFixed(2).replace('-', '−')}: ${name(row)} and ${name(column)}`;
});
