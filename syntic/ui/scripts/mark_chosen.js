// Marks the button of the picture or sentence that the view says it is from, also where the buttons come later.
const places = {example: '#s-pick-picture, #c-examples', test: '#c-test', text: '#s-pick-sentence'};
const panel = () => document.querySelector('#s-panel, #c-panel');
const mark = () => {
  const {kind, value, of} = props.value ?? {};
  for (const button of panel()?.querySelectorAll('.s-pictures button, .s-sentences button') ?? []) {
    const is = kind in places && button.closest(places[kind]) && (!of || button.parentElement.dataset.of === of)
      && (kind === 'text' ? button.textContent : button.dataset.value) === value;
    if (is) button.setAttribute('aria-current', 'true'); else button.removeAttribute('aria-current');
  }
};
new MutationObserver(mark).observe(panel() ?? document.body, {childList: true, subtree: true});
watch('value', mark);
mark();
