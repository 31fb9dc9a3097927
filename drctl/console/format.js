// Figures as people read them; as the command line writes them.

export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 120) return `${value.toFixed(1)} s`;
  return `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s`;
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "";
  if (bytes < 1024) return `${bytes} B`;
  let amount = bytes;
  for (const unit of ["KiB", "MiB", "GiB"]) {
    amount /= 1024;
    if (amount < 1024 || unit === "GiB") return `${amount.toFixed(1)} ${unit}`;
  }
  return "";
}

const pad = (value) => String(value).padStart(2, "0");

export function time(utc) {
  const at = new Date(utc);
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

export function moment(utc) {
  const at = new Date(utc);
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${time(utc)}`;
}

export function percent(part, whole) {
  const value = (100 * part) / whole;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)}%`;
}
