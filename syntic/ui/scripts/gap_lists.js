// A click on anything that names a point or a column goes to Python, pointing at it to the map.
element.addEventListener('click', (event) => {
  const named = event.target.closest('[data-item]'), column = event.target.closest('[data-stage]');
  if (named) trigger('point', {kind: named.dataset.kind, item: Number(named.dataset.item)});
  else if (column) trigger('stage', {stage: column.dataset.stage});
});
for (const [name, on] of [['pointerover', true], ['pointerout', false], ['focusin', true], ['focusout', false]])
  element.addEventListener(name, (event) => {
    const named = event.target.closest('[data-item]');
    if (!named) return;
    const detail = on ? {kind: named.dataset.kind, item: Number(named.dataset.item)} : null;
    document.dispatchEvent(new CustomEvent('g-point', {detail}));
  });
element.addEventListener('click', (event) => {
  if (!event.target.closest('[data-save=csv]')) return;
  const quoted = (cell) => `"${cell.textContent.trim().replaceAll('"', '""')}"`;
  const rows = [...element.querySelectorAll('tr')].map((row) => [...row.children].map(quoted).join());
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([rows.join('\n')], {type: 'text/csv'}));
  link.download = 'modality-gap-table.csv';
  link.click();
});
