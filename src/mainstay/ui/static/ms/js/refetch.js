// Ask again for the part of a page that an element shows; nothing is done when it has not changed.

const tags = new WeakMap();

/** @param {HTMLElement} element with an id @returns {Promise<Element|null>} the same element as the server has it now, or null */
export const refetch = async (element) => {
  const address = element.dataset.msSrc || location.href;
  const headers = { 'HX-Request': 'true' };
  const known = tags.get(element);
  if (known) headers['If-None-Match'] = known;
  let answer;
  try {
    answer = await fetch(address, { headers });
  } catch {
    return null;
  }
  if (answer.status === 304 || answer.ok) document.dispatchEvent(new CustomEvent('ms:fresh'));
  if (answer.status === 304 || !answer.ok) return null;
  const tag = answer.headers.get('ETag');
  if (tag) tags.set(element, tag);
  return new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById(element.id);
};
