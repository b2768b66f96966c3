/* Stars: the sheet on which an invoice is paid, and the purse. The server decides; this asks until it has. */

import { el } from "./draw.js";
import { spoken, word } from "./words.js";

const $ = (id) => document.getElementById(id);
const LOOK_AGAIN = 300;
const ENDED = ["paid", "refused", "failed", "expired"];

const number = (amount) => new Intl.NumberFormat(spoken()).format(amount);
export const stars = (amount) => `⭐ ${number(amount)}`;

/* The slug in a link to an invoice, in either of its two forms; null for any other link. */
export const slugIn = (url) => {
  const target = new URL(url);
  const found = target.hostname === "t.me" && decodeURIComponent(target.pathname).match(/^\/(?:\$|invoice\/)([\w-]+)$/);
  return found ? found[1] : null;
};

/* `talk(path, body)` calls the control API under /__emu/users; `who()` is the person here, `everybody()` all of them. */
export const starDesk = (talk, who, everybody) => {
  let wanted = null;
  let payer = 0;

  const open = async (what) => {
    payer = who();
    wanted = "message_id" in what ? { ...what, of: who() } : what;
    const query = new URLSearchParams(wanted);
    const invoice = await talk(`/${who()}/invoice?${query}`);
    $("invoice-title").textContent = invoice.title;
    $("invoice-text").textContent = invoice.description;
    $("invoice-price").textContent = stars(invoice.amount) + (invoice.period ? ` ${word("everyMonth")}` : "");
    $("invoice-silent").checked = false;
    drawPayers();
    await drawBalance();
    say("");
    if (!$("invoice").open) $("invoice").showModal();
  };

  const drawPayers = () =>
    $("invoice-payers").replaceChildren(
      ...everybody().map((person) =>
        el(
          "button",
          { type: "button", "aria-pressed": String(person.id === payer), "data-testid": `payer-${person.id}`, onclick: () => choose(person.id) },
          person.first_name,
        ),
      ),
    );

  const choose = async (id) => {
    payer = id;
    drawPayers();
    await drawBalance();
  };

  const drawBalance = async () => {
    const purse = await talk(`/${payer}/stars`);
    $("invoice-balance").textContent = stars(purse.amount);
    return purse;
  };

  const say = (text, state = "") => {
    $("invoice-state").textContent = text;
    $("invoice-state").dataset.state = state;
    for (const id of ["invoice-pay", "invoice-twice"]) $(id).disabled = state === "waiting";
  };

  const pay = async (times) => {
    try {
      const begun = [];
      for (let i = 0; i < times; i += 1)
        begun.push((await talk(`/${payer}/pay`, { ...wanted, unheard: $("invoice-silent").checked })).id);
      await watch(begun);
    } catch (error) {
      say(error.message, "refused");
    }
  };

  const watch = async (ids) => {
    const mine = (await drawBalance()).checkouts.filter((one) => ids.includes(one.id));
    const open = mine.filter((one) => !ENDED.includes(one.state));
    if (open.length) {
      say(`${word("asking")} ${Math.ceil(open[0].seconds_left)}`, "waiting");
      setTimeout(() => watch(ids), LOOK_AGAIN);
      return;
    }
    const last = mine.at(-1);
    const told = { paid: word("paid"), refused: last.error, failed: word("tooFew"), expired: word("noAnswer") };
    const paid = mine.filter((one) => one.state === "paid").length;
    say(paid > 1 ? `${word("paid")} × ${paid}` : told[last.state], last.state);
  };

  const fill = async (id, more) => {
    const { amount } = await talk(`/${id}/stars`);
    await talk(`/${id}/stars`, { amount: amount + more });
  };

  const purse = async () => {
    const mine = await talk(`/${who()}/stars`);
    $("purse-balance").textContent = stars(mine.amount);
    $("purse-list").replaceChildren(...mine.subscriptions.map(subscriptionNode));
    if (!$("purse").open) $("purse").showModal();
  };

  const subscriptionNode = (one) => {
    const until = new Date(one.ends_at * 1000).toLocaleDateString(spoken(), { day: "numeric", month: "long" });
    const ended = one.canceled || one.failed;
    const change = async () => {
      await talk(`/${who()}/subscription`, { charge: one.id, canceled: !one.canceled });
      await purse();
    };
    return el(
      "li",
      { "data-testid": `repeating-${one.id}` },
      el("span", {}, `${stars(one.amount)} ${word("everyMonth")} · ${word(ended ? "until" : "next")} ${until}`),
      el("button", { type: "button", disabled: one.canceled === "bot", onclick: change }, word(one.canceled ? "resume" : "stop")),
    );
  };

  $("invoice-pay").addEventListener("click", () => pay(1));
  $("invoice-twice").addEventListener("click", () => pay(2));
  $("invoice-close").addEventListener("click", () => $("invoice").close());
  $("invoice-fill").addEventListener("click", async () => {
    await fill(payer, 1000);
    await drawBalance();
  });
  $("purse-fill").addEventListener("click", async () => {
    await fill(who(), 1000);
    await purse();
  });
  $("purse-close").addEventListener("click", () => $("purse").close());
  return { open, purse };
};
