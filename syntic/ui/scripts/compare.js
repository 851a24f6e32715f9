// Tables are saved as CSV, from their cells or from the rows that their items carry; a button of the wins and losses
// brings its picture to the top of the page.
element.addEventListener('click', (event) => {
  const chosen = event.target.closest('button[data-value]');
  if (chosen) {
    trigger('select', {index: Number(chosen.dataset.index), value: chosen.dataset.value});
    document.getElementById('c-result')?.scrollIntoView({behavior: 'smooth'});
  }
  if (!event.target.closest('[data-save=csv]')) return;
  const quoted = (text) => `"${String(text).trim().replaceAll('"', '""')}"`;
  const items = [...element.querySelectorAll('[data-row]')].map((item) => JSON.parse(item.dataset.row));
  const cells = [...element.querySelectorAll('tr')].map((row) => [...row.children].map((cell) => cell.textContent));
  const link = document.createElement('a');
  const rows = (items.length ? items : cells).map((row) => row.map(quoted).join());
  link.href = URL.createObjectURL(new Blob([rows.join('\n')], {type: 'text/csv'}));
  link.download = 'comparison.csv';
  link.click();
});
