// The words that scripts say. They come with the page, in its language; a script knows only their names.

const place = () => document.getElementById('ms-words');

/** @param {string} name @param {Record<string, string|number>} values for `{name}` in the text */
export const say = (name, values = {}) => {
  const text = place()?.querySelector(`[data-word="${name}"]`)?.textContent ?? name;
  return text.replace(/\{(\w+)\}/g, (_, key) => String(values[key] ?? ''));
};

/** The language of the page, for the spelling of dates and numbers. */
export const language = document.documentElement.lang || 'en-GB';
