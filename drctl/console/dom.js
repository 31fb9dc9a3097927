// Elements from values. Nothing is ever made from a string of HTML: what databases and people say stays text.

const SVG = "http://www.w3.org/2000/svg";

export function h(name, attributes, ...children) {
  return build(document.createElement(name), attributes, children);
}

export function s(name, attributes, ...children) {
  return build(document.createElementNS(SVG, name), attributes, children);
}

function build(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined && value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Make `host` show `wanted`, changing only what differs: focus, selections and animations outlive a new picture.
export function show(host, ...wanted) {
  const box = document.createElement("div");
  box.append(...wanted.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  patchChildren(host, box);
}

function patchChildren(live, wanted) {
  const coming = [...wanted.childNodes];
  coming.forEach((node, index) => {
    const present = live.childNodes[index];
    if (present === undefined) live.append(node);
    else if (alike(present, node)) patch(present, node);
    else present.replaceWith(node);
  });
  while (live.childNodes.length > coming.length) live.lastChild.remove();
}

function alike(one, other) {
  return one.nodeName === other.nodeName && one.dataset?.key === other.dataset?.key;
}

function patch(live, wanted) {
  if (live.nodeType === Node.TEXT_NODE) {
    if (live.data !== wanted.data) live.data = wanted.data;
    return;
  }
  for (const { name, value } of wanted.attributes) {
    if (live.getAttribute(name) !== value) live.setAttribute(name, value);
  }
  for (const { name } of [...live.attributes]) {
    // What a person has unfolded stays unfolded.
    if (!wanted.hasAttribute(name) && !(name === "open" && live.nodeName === "DETAILS")) live.removeAttribute(name);
  }
  patchChildren(live, wanted);
}
