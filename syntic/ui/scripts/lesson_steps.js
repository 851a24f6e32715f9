// The list of steps and the buttons below: links that change the step in place.
element.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-step]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  trigger('go', {step: link.dataset.step});
});
