/* Sentences of the page itself, in the two languages a person here may speak. */

const WORDS = {
  ru: {
    mark: "эмулятор · тестовые деньги",
    start: "Начать",
    restart: "Отправить /start",
    block: "Заблокировать бота",
    unblock: "Разблокировать",
    save: "Сохранить",
    close: "Закрыть",
    copied: "Скопировано",
    bot: "бот",
    typing: "печатает…",
    blocked: "заблокирован",
    lost: "нет связи с эмулятором…",
    edited: "изменено",
    message: "Сообщение",
    newPerson: "новый человек",
    today: "Сегодня",
    theme: "Светлая или тёмная тема",
    more: "Ещё",
    commands: "Команды",
    send: "Отправить",
    down: "К последнему сообщению",
    photo: "Фото",
    empty: "Здесь пока нет сообщений. Нажмите «Начать».",
    notHere: "Эта кнопка в эмуляторе не работает",
    stars: "Звёзды",
    balance: "На счету",
    payer: "Кто платит",
    silent: "бот ничего не услышит",
    pay: "Оплатить",
    twice: "Оплатить дважды",
    asking: "Магазин отвечает…",
    paid: "Оплачено ✅",
    tooFew: "Не хватило звёзд",
    noAnswer: "Бот не ответил за 10 секунд. Звёзды на месте.",
    everyMonth: "каждые 30 дней",
    next: "следующая",
    until: "до",
    stop: "Остановить",
    resume: "Возобновить",
    bought: "Вы заплатили",
    returned: "Вам вернули",
  },
  en: {
    mark: "emulator · test money",
    start: "Start",
    restart: "Send /start",
    block: "Block the bot",
    unblock: "Unblock",
    save: "Save",
    close: "Close",
    copied: "Copied",
    bot: "bot",
    typing: "typing…",
    blocked: "blocked",
    lost: "no connection to the emulator…",
    edited: "edited",
    message: "Message",
    newPerson: "new person",
    today: "Today",
    theme: "Light or dark theme",
    more: "More",
    commands: "Commands",
    send: "Send",
    down: "To the latest message",
    photo: "Photo",
    empty: "No messages here yet. Press Start.",
    notHere: "This button does not work in the emulator",
    stars: "Stars",
    balance: "Balance",
    payer: "Who pays",
    silent: "the bot will not hear of it",
    pay: "Pay",
    twice: "Pay twice",
    asking: "The shop is asked…",
    paid: "Paid ✅",
    tooFew: "There were too few Stars",
    noAnswer: "The bot did not answer within 10 seconds. No Stars were taken.",
    everyMonth: "every 30 days",
    next: "next on",
    until: "until",
    stop: "Stop",
    resume: "Resume",
    bought: "You paid",
    returned: "You were given back",
  },
};

let language = "ru";

export const tongue = (code) => (code === "ru" ? "ru" : "en");

export const speak = (code) => {
  language = tongue(code);
  document.documentElement.lang = language;
  document.querySelectorAll("[data-word]").forEach((node) => (node.textContent = word(node.dataset.word)));
  document.querySelectorAll("[data-hint]").forEach((node) => {
    node.title = word(node.dataset.hint);
    node.setAttribute("aria-label", word(node.dataset.hint));
  });
};

export const spoken = () => language;

export const word = (name) => WORDS[language][name];
