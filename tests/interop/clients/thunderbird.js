// Runs inside Thunderbird: writes a message in a compose window, presses Send, and answers with what was shown.
const [mail, done] = arguments;
const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs');
const { setTimeout } = ChromeUtils.importESModule('resource://gre/modules/Timer.sys.mjs');
const dialogs = [];
let step = 'the start';

// Answers with what was being waited for, before the remote control gives up without a word.
const LIMIT_MS = 40_000;
const limit = new Promise((_, reject) => setTimeout(() => {
  const windows = [...Services.wm.getEnumerator(null)].map((it) => `${it.location.href} (${it.document.readyState})`);
  reject(new Error(`waited in vain for ${step}; windows: ${windows.join(', ')}`));
}, LIMIT_MS));

// A dialog is read as a person reads it, and then closed by its last choice: Cancel, or OK when it is alone.
// The one that says that sending failed is the last.
function watchDialogs() {
  return new Promise((failed) => Services.obs.addObserver((dialog) => {
    const { title } = dialog.document;
    dialogs.push(`${title}: ${dialog.document.getElementById('infoBody').textContent}`);
    const box = dialog.document.querySelector('dialog');
    const cancel = box.getButton('cancel');
    (cancel && !cancel.hidden ? cancel : box.getButton('accept')).click();
    if (title === 'Send Message Error') failed(false);
  }, 'common-dialog-loaded'));
}

async function rememberPassword() {
  const login = Cc['@mozilla.org/login-manager/loginInfo;1'].createInstance(Ci.nsILoginInfo);
  login.init(mail.server, null, mail.server, mail.username, mail.password, '', '');
  await Services.logins.addLoginAsync(login);
}

function fields() {
  const fields = Cc['@mozilla.org/messengercompose/composefields;1'].createInstance(Ci.nsIMsgCompFields);
  fields.to = mail.to;
  fields.subject = mail.subject;
  fields.body = mail.text;
  fields.priority = mail.priority;
  if (mail.attachment) {
    const file = Cc['@mozilla.org/file/local;1'].createInstance(Ci.nsIFile);
    file.initWithPath(mail.attachment);
    const attachment = Cc['@mozilla.org/messengercompose/attachment;1'].createInstance(Ci.nsIMsgAttachment);
    attachment.url = Services.io.newFileURI(file).spec;
    attachment.name = file.leafName;
    attachment.size = file.fileSize;
    fields.addAttachment(attachment);
  }
  return fields;
}

async function composeWindow() {
  const params = Cc['@mozilla.org/messengercompose/composeparams;1'].createInstance(Ci.nsIMsgComposeParams);
  params.identity = MailServices.accounts.allIdentities[0];
  params.format = Ci.nsIMsgCompFormat.PlainText;
  params.composeFields = fields();
  const opened = new Promise((resolve) => {
    Services.ww.registerNotification(function watch(window, topic) {
      if (topic !== 'domwindowopened') return;
      window.addEventListener('compose-editor-ready', () => {
        Services.ww.unregisterNotification(watch);
        resolve(window);
      }, { once: true });
    });
  });
  MailServices.compose.OpenComposeWindowWithParams(null, params);
  return opened;
}

// Send is grey until the window has taken in its recipients.
async function sendable(window) {
  for (let tries = 0; tries < 600; tries++) {
    const controller = window.document.commandDispatcher.getControllerForCommand('cmd_sendNow');
    if (controller?.isCommandEnabled('cmd_sendNow')) return;
    await new Promise((resolve) => window.setTimeout(resolve, 50));
  }
  throw new Error('the Send button stayed grey');
}

// A sent message closes its window; one that was not sent stays open behind its dialog.
async function run() {
  const failed = watchDialogs();
  step = 'the password store';
  await rememberPassword();
  step = 'the compose window';
  const window = await composeWindow();
  step = 'the Send button, which is grey';
  await sendable(window);
  step = 'the end of sending';
  const closed = new Promise((resolve) => window.addEventListener('unload', () => resolve(true), { once: true }));
  window.goDoCommand('cmd_sendNow');
  return { sent: await Promise.race([closed, failed]), dialogs };
}

Promise.race([run(), limit])
  .then(done, (error) => done({ sent: false, dialogs: [...dialogs, `${error}\n${error.stack}`] }));
