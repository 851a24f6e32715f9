// Saves what Python sends as a file.
watch('value', () => {
  if (!props.value?.text) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([props.value.text], {type: 'application/json'}));
  link.download = props.value.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
