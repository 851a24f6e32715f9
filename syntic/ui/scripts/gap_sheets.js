// The contact sheets: the map draws from the pictures, everything else from the style made of them.
const show = () => {
  document.getElementById('g-sheet-style')?.remove();
  const style = document.createElement('style'), sheets = props.value ?? {};
  style.id = 'g-sheet-style';
  element.replaceChildren();
  for (const [kind, uri] of Object.entries(sheets)) {
    const picture = new Image();
    picture.id = `g-sheet-${kind}`; picture.alt = '';
    picture.onload = () => document.dispatchEvent(new Event('g-sheets'));
    picture.src = uri;
    element.append(picture);
    style.textContent += `.g-tile.${kind}{display:inline-block!important;background-image:url(${uri})}`
      + `.g-gallery button:has(.g-tile.${kind}){display:block!important}`;
  }
  document.head.append(style);
};
watch('value', show);
show();
