/** Elements of the page. Whatever comes from a file is set as text, and never as markup. */

const LONGEST = 200;

/** Return an element with these properties and children: elements, or text. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/**
 * Return text of a file as an element of its own direction, its end left out where it is long.
 * Characters that nobody sees, such as those that turn the direction, are escaped.
 */
export function shown(text, longest = LONGEST) {
  const visible = String(text)
    .slice(0, 4 * longest)
    .replace(/(?! )[\p{C}\p{Z}]/gu, escaped);
  const characters = Array.from(visible);
  const whole = characters.length <= longest && String(text).length <= 4 * longest;
  return element(
    "bdi",
    {},
    whole ? characters.join("") : `${characters.slice(0, longest).join("")}…`,
  );
}

function escaped(character) {
  return `\\u${character.codePointAt(0).toString(16).padStart(4, "0")}`;
}

/** Put these children in place of those that an element has. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children);
}

/** Return a small number in few digits. */
export function small(number) {
  return number === 0 ? "0" : number.toExponential(1);
}

/** Return a time in milliseconds in few digits. */
export function time(milliseconds) {
  return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}
