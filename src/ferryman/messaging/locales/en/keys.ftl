hours = { $hours ->
    [one] { $hours } hour
   *[other] { $hours } hours
}
minutes = { $minutes ->
    [one] { $minutes } minute
   *[other] { $minutes } minutes
}

button-places = 🌍 Change location
button-rekey = ♻️ Replace my key
button-place-here = ✅ { $place } · you are here
button-place-free = { $place } · 🟢 free
button-place-busy = { $place } · 🟡 busy
button-place-tight = { $place } · 🟠 few places
button-place-full = 🚫 { $place } · no room
button-switch = ✅ Yes, change it
button-look = 🔄 Refresh
button-stay = ↩️ Stay where I was
button-rekeyed = ♻️ Yes, replace my key

sub-frozen = ❄️ <b>This subscription is frozen.</b> Time stands still and the key is off; no day is lost.
sub-disabled = ⛔ <b>This subscription is switched off.</b> Write to support and we will sort it out.
sub-exhausted = 📉 <b>Your traffic is used up.</b> Renew the subscription to go on.
sub-replacing = ♻️ <b>Your key is being replaced.</b> The new one comes here by itself.

places =
    🌍 <b>Location</b>
    { $icon } { $title }

    📍 Now: <b>{ $here }</b>
places-every = 🔁 You can change it once in { $hours }. Where to?
places-any-time = 🔁 You can change it at any time. Where to?
places-wait = ⏳ You can change the location again in <b>{ $left }</b>.
place-sure =
    🌍 <b>Change the location?</b>

    { $here }
    ⬇️
    <b>{ $there }</b>

    🔌 The old key is closed first, then the new one opens — usually within seconds.
    🔗 Your link stays the same.
    ⏳ The next change is possible in { $again } at the earliest.
place-sure-any-time =
    🌍 <b>Change the location?</b>

    { $here }
    ⬇️
    <b>{ $there }</b>

    🔌 The old key is closed first, then the new one opens — usually within seconds.
    🔗 Your link stays the same.
switching-closing =
    🌍 <b>Changing the location</b>

    ⏳ { $nodes } — closing the old key
    🔜 { $there } — the new one comes next

    ✉️ I will write as soon as all is ready.
switching-held =
    ⏸ <b>The change of location waits</b>

    🔧 { $nodes } — the old server does not answer
    🔜 { $there } — the new key opens as soon as the old one is closed

    ✉️ I keep checking and will write. Or you can stay where you were.
switching-opening =
    🌍 <b>Changing the location</b>

    ✅ The old key is closed
    ⏳ { $there } — opening the new one

    ✉️ I will write as soon as all is ready.
unswitched-resting = ⏸ The subscription is not active now, so its location cannot be changed.
unswitched-busy = ⏳ Your key is being changed already — please wait until I am done.
unswitched-same = 📍 You are here already.
unswitched-soon = ⏳ You can change the location again in { $left }.
unswitched-full = 🚫 There is no room right now. Please choose another location.
unswitched-gone = 🗺 That location is no longer there. Here is what there is now.

rekey-sure =
    ♻️ <b>Replace your key?</b>
    { $icon } { $title }

    You need this when somebody else has got hold of your link.

    🔒 The old link closes at once
    🔑 The new one comes here as soon as the old key is gone from every server
    📱 You will have to add it on each of your devices
    ⏳ Once a day at most
rekey-soon = ⏳ This key was replaced less than a day ago. Please try later.
rekeying =
    ♻️ <b>Replacing your key</b>

    ✅ The old link does not open any more
    { $count ->
        [0] ✅ The old key is gone from every server
        [one] ⏳ Removing the old key: { $count } server left
       *[other] ⏳ Removing the old key: { $count } servers left
    }
    ✉️ The new key comes here by itself

rekeying-held =
    ⏸ <b>The replacement waits</b>

    ✅ The old link does not open any more
    🔧 A server does not answer: { $nodes }

    As long as the old key is not gone from everywhere, there will be no new one. I keep checking and will send the new key here.
