/** A text to look for: a string is the whole text, a regular expression any part that it matches. */
export type Text = string | RegExp;

/** An expression for the whole text, leaving aside white space around it. */
export function wholeText(text: Text): RegExp {
  if (typeof text !== 'string') return text;
  return new RegExp(`^\\s*${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\s*$`);
}

/** An expression for a label that may be followed by a shortcut and a badge: `Jobs (Ctrl+J) - 2 running`. */
export function labelWithSuffix(label: Text): RegExp {
  return followedBy(label, '(\\([^)]*\\))?( - .*)?');
}

/** An expression for the title of a view container, which names the view, too, when there is only one. */
export function containerTitle(title: Text): RegExp {
  return followedBy(title, '(:.*)?');
}

function followedBy(text: Text, suffix: string): RegExp {
  return typeof text === 'string' ? new RegExp(`${wholeText(text).source.slice(0, -1)}${suffix}\\s*$`) : text;
}
