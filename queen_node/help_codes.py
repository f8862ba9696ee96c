"""What each error code means and what to do: the table behind `hive help CODE`. A test finds codes missing here."""

_TABLE: dict[str, tuple[str, str]] = {
    "DRV": (
        "A device or the broker cannot be used now.",
        "Read the message; a daemon tries again by itself and sends again what it kept.",
    ),
    "E-COMMISSION": (
        "A commissioning stopped at a finding that only a hand can mend.",
        "Mend what was named and run hive-provision commission again; it goes on where it stopped.",
    ),
    "E-COMMISSION-ANSWER": (
        "A question of the commissioning got no answer that fits.",
        "Run the command again; it goes on where it stopped.",
    ),
    "E-COMMISSION-BUSY": (
        "The Worker's daemon reads the meter that is to be commissioned.",
        "Stop it, run the command again, start it afterwards.",
    ),
    "E-COMMISSION-GAIN": (
        "A gain cannot be set as the comparison with the reference says.",
        "Read the reason in the message: ratio or divider, an unsteady load, or a sealed meter.",
    ),
    "E-COMMISSION-LOOK": (
        "The meter could not be looked at long enough.",
        "Check its wiring and settings, then try again.",
    ),
    "E-COMMISSION-RECORD": (
        "The commissioning record is not this Worker's, or of other settings than those in force.",
        "Run hive-provision commission again, or take commissioning_file out of [meter].",
    ),
    "E-HEAD": (
        "A sensor head could not be flashed, or does not answer as it should.",
        "Read the reason in the message; see docs/hardware/sensor-head.md.",
    ),
    "DRV-HEAD": (
        "A sensor head's own files cannot be used.",
        "Correct the head's settings and flash it again.",
    ),
    "DRV-KEY": (
        "The place that key_file names holds no key that can be read.",
        "Name a file, credential:NAME of the service manager, or a pkcs11: address; see docs/keys.md.",
    ),
    "DRV-TOKEN": (
        "A security token, its driver or its key cannot be used.",
        "Read the reason in the message; check the token, its label, the key's label and the file of the PIN.",
    ),
    "DRV-BUS": (
        "The bus did not carry a transfer: no answer, a time-out, or a line stuck at one level.",
        "Check wiring, power, address and speed; the counters lose nothing while the meter is powered.",
    ),
    "DRV-CHECK": (
        "An answer of a device failed its check, or a setting did not read back.",
        "Shorten the wires or lower the bus speed; see the device's page in docs/hardware.",
    ),
    "DRV-CHIP": ("Something answers, but not the part the settings name.", "Correct [meter] kind, bus and address."),
    "DRV-LOST": (
        "A configured register changed by itself: brown-out, reset or tampering.",
        "Check the supply; the meter is set up again and the slot is flagged.",
    ),
    "DRV-RANGE": (
        "A value that the quantity cannot have, from a meter or in the settings.",
        "Correct the setting named, or look at the meter's own display.",
    ),
    "E-HIVE": ("The root of all named errors.", "Read the message; report it if it stands alone."),
    "E-ACCOUNT": (
        "A reading cannot follow the last one of its account: slot or counter went back.",
        "Look at the Worker's readings with `hive worker show`; a meter exchange needs its flag.",
    ),
    "E-ASSET": ("A battery, profile, tariff or limit that no schedule can be built from.", "Correct the field named."),
    "E-CASE": ("A case document does not follow the schema.", "Correct the field whose path the message gives."),
    "E-CASE-FILE": ("A file of cases is missing, no JSON, or of another form.", "Compare with the oracle files."),
    "E-CHAIN": (
        "No node of the chain answers, or a transaction waits to be mined.",
        "Check [chain] rpc_urls and the network; run the command again, it goes on where it stopped.",
    ),
    "E-CHAIN-TX": (
        "The chain, the contract or a fee cap refused a transaction.",
        "Read the reason; check chain id, contract, the sender's balance. Statements are never settled twice.",
    ),
    "E-CLEARING": ("Inputs that no slot may have, such as a sell price above the buy price.", "Correct the tariff."),
    "E-DAY": ("A text names no UTC day, or the Hive has no chain.", "Give a day number or YYYY-MM-DD."),
    "E-DEMO": ("The demo run asked for cannot be made.", "Change the option named."),
    "E-DEMO-CHAIN": ("The demo's local chain does not answer or refused something.", "Read DIR/logs."),
    "E-DEMO-CHECK": ("The demo ended and a check failed; home and check are named.", "Read DIR/report.json and logs."),
    "E-DEMO-CHILD": ("A process of the demo ended that should go on.", "Read its log in DIR/logs."),
    "E-DEMO-COMMAND": ("One of the operator's commands failed in the demo.", "Read the log named."),
    "E-DEMO-FAULT": ("A fault is not one the demo knows, or names no home.", "See `hive-demo --help`."),
    "E-DEMO-GRANT": ("A daemon did not finish an instant of simulated time.", "Read the daemon's log in DIR/logs."),
    "E-DISAGREEMENT": (
        "A Statement differs from the Worker's own recomputation by at least one unit.",
        "Compare the slot and field named; the account stays frozen until `hive channel resume`.",
    ),
    "E-EVIDENCE": (
        "An evidence folder does not hold: file and field are named, slot and Worker where there is one.",
        "Do not trust these bills; fetch the folder again and compare what differs.",
    ),
    "E-IDENTITY": ("A text is no address or serial of the agreed form.", "40 lower-case hex digits, no 0x."),
    "E-INFEASIBLE-HIVE": ("No schedules of the homes can meet a limit of the connection.", "Relax the limit named."),
    "E-INFEASIBLE-HOME": (
        "A home's battery, heat store or car cannot obey its own limits.",
        "Correct the asset named, or let its schedule be repaired.",
    ),
    "E-METER-EXCHANGE": (
        "An exchange of the meter was not confirmed, or this kind of meter has no counters of its own.",
        "Confirm it when the new meter is in its place; a chip needs nothing.",
    ),
    "E-JOURNAL": ("A Worker's journal cannot be opened or lacks what it must hold.", "Check card and permissions."),
    "E-TOKEN-ANSWER": (
        "A security token answered with no usable key or signature.",
        "Make the key pair on curve secp256k1; check that private and public key of this name belong together.",
    ),
    "E-KEY-FILE": ("A key file is missing, readable by others, or holds no secret.", "chmod 600; 64 hex digits."),
    "E-MARKET": ("The market's computation failed.", "Read the message; settlement does not depend on it."),
    "E-MASK": (
        "Something about masked answers is refused.",
        "Read the message; docs/masks.md tells the order of the messages.",
    ),
    "E-MASK-FEW": (
        "Too few homes to hide in their sum: three flexible ones are needed, or as many as the home asks for.",
        "Run rounds without masks, or wait until more homes are there.",
    ),
    "E-MASK-FORM": (
        "A masked answer or a reveal is no base64 or has a wrong length.",
        "Look at the Worker named; its software may be older or altered.",
    ),
    "E-MASK-KEYS": (
        "A list of mask keys holds a stranger, a forged key, or lacks the home's own.",
        "Compare [masks] homes with the homes of the Hive; if they agree, somebody tries to read single plans.",
    ),
    "E-MASK-LEFT-OUT": (
        "This home's masked answer was not counted; it is out of the round, its last counted plan stands.",
        "Nothing, if its link was slow. If it was not, the Queen pretends a dropout.",
    ),
    "E-MASK-LOST": (
        "A masked iteration cannot be opened: too few homes answered, or a home sent false shares (it is named).",
        "The round ends with the last opened iteration; settlement is not touched. Look at the home named.",
    ),
    "E-MASK-REFUSED": (
        "A home refused a request that would have let a single answer be opened.",
        "After a restart of either side: nothing, the next slot's round works. Else ask what the Queen runs.",
    ),
    "E-MESSAGE": ("A message was refused.", "See the reason with `hive worker show`."),
    "E-MESSAGE-FORM": ("A message is no JSON, or a field is missing, unknown or of a wrong type.", "Check the sender."),
    "E-MESSAGE-SIZE": ("A message is longer than its kind may be.", "Check the sender."),
    "E-MESSAGE-VERSION": ("A message is of a version not spoken here.", "Update the older side."),
    "E-NOT-CONFIRMED": ("A command that changes money was not confirmed.", "Type what is asked, or use --confirm."),
    "E-NOT-FOUND": ("What was asked for is not there.", "`hive worker list`, `hive status`."),
    "E-PLAN-REJECTED": ("A solver's answer failed the check of its residuals.", "The last plan stays in force."),
    "E-RANGE": ("A number lies outside what its field can hold.", "Correct the value named."),
    "E-RECEIPT": ("A Receipt is not the Queen's, or for another reading.", "Check queen_address in the settings."),
    "E-PLAN-REFUSED": (
        "A plan breaks the physics of the home, by a second simulation that is independent of the solver.",
        "Nothing was told to the assets. The last good plan is followed, else the safe rule; report the log line.",
    ),
    "E-ORDER": (
        "An order inside a slot is not the Queen's, not within the home's offer, or out of time or turn.",
        "It was refused and nothing moved; compare both clocks, and [realtime] pool and first_serial.",
    ),
    "E-MOTHER-ROUND": (
        "A broadcast of the mother Hive that no answer can be given to.",
        "The message names it. Without her rounds this Hive coordinates alone (docs/trees.md).",
    ),
    "E-ROUND": ("A message of a coordination round does not fit the round.", "It was dropped; nothing to do."),
    "E-ROUND-LOST": (
        "The sums of a round's iteration could not be had.",
        "The round ended with what was agreed before; the next one begins in the next slot.",
    ),
    "E-SENSITIVITY": (
        "Too few meter data to estimate a feeder's voltage sensitivities.",
        "Wait for 21 days; the Hive keeps its power limits until then.",
    ),
    "E-SETTINGS": (
        "A settings file, or one it names, is refused; the message starts with file and line.",
        "Correct the key named; `hive-queen check` tries again.",
    ),
    "E-SIGNATURE": ("A signature is malformed, has a high s, or is of another key.", "Check the sender's key."),
    "E-SOLVER": ("No solver of this name, or its package is not installed.", "Use one of the names listed."),
    "E-START": ("A file that a Worker's settings name cannot be used.", "Correct the path or the file."),
    "E-STATEMENT-FOREIGN": ("A Statement is not for this Worker or not from the Queen.", "It gets no answer."),
    "E-STATEMENT-LINES": ("The arrays of a statement message differ in length.", "Check the Queen's version."),
    "E-STORE": ("The Queen's database cannot be opened or has another schema.", "Check [store] url; start hive-queen."),
    "E-TARIFF": ("A tariff file is refused; field and slot are named.", "Where sell is above buy write sell = buy."),
    "E-TERMS": ("A terms file is malformed, unsigned, or for another tariff.", "Fetch the signed terms again."),
    "E-TOPIC": ("A topic is not one of Hive's.", "Check the client that published it."),
    "E-BOOK": (
        "An address book is missing, malformed, unfinished, or for another chain.",
        "Give --book or HIVE_BOOK; an unfinished deployment goes on with the same hive chain deploy.",
    ),
    "E-CHANNEL-OPEN": (
        "A meter's account still holds money or runs a close.",
        "`hive channel close NAME`, and again after the window; then repeat the command.",
    ),
    "E-CODE": (
        "Deployed code, wiring or rights are not those of this release.",
        "Send no money there; compare the address book with the deployer's and the release with yours.",
    ),
    "E-CONTRACT": (
        "The contract would refuse the call; its reason is given in words, nothing was sent.",
        "Do what the message says under next.",
    ),
    "E-DEPLOYED": (
        "A deployment would be made a second time.",
        "Use the address book that is there; --another with another --out deploys again on purpose.",
    ),
    "E-INPUT": (
        "An option or argument is not of the form it must have, or missing; the message starts with its name.",
        "Correct it; `--help` of the command shows the form.",
    ),
    "E-PARTLY": (
        "Some transactions of a command are in blocks, a later one is not.",
        "Run the same command again: it looks at the chain and goes on where it stopped.",
    ),
    "E-RULE": (
        "A rule known before any call forbids what was asked; nothing was sent.",
        "Do what the message says under next.",
    ),
    "E-TOO-EARLY": (
        "A waiting time that the contract prescribes is not over.",
        "Run the same command again after the instant named.",
    ),
    "E-BOTH-SIGNED": (
        "A Statement in a Worker's journal does not carry the signatures it must, or for another contract.",
        "Use the settings that belong to this journal; restore the journal from a good copy.",
    ),
    "E-CHAIN-ANSWER": (
        "A node answers in another form than the contract's view has.",
        "Check contract and chain_id; the address may not hold the settlement contract.",
    ),
    "E-CHAIN-LOOK": (
        "The RPC addresses of a Worker do not give one answer; the message names the one that differs.",
        "Look again later; replace an address that lies or lags in [chain] rpc_urls or with --rpc.",
    ),
    "E-HTTP": (
        "An address does not answer in time, answers too much, or not in HTTP.",
        "Check the address and the internet connection; a daemon tries again by itself.",
    ),
    "E-NODE": ("A node of the chain does not answer usefully.", "Try again later, or name another RPC address."),
    "E-NODE-REFUSED": ("A node of the chain answers with an error of its own.", "Read its words in the message."),
    "E-RESCUE-FILE": (
        "A close request file cannot be written or read, or is none.",
        "Name a new file with --offline, or the one it wrote with --send.",
    ),
    "E-RESCUE-GAS": (
        "The key that pays has not enough of the chain's own coin.",
        "Send it some, or pay with any other key: --key for the payer, --request-key for the device.",
    ),
    "E-RESCUE-JOURNAL": (
        "The journal named is missing, unreadable, or does not say enough for a close.",
        "Copy journal.sqlite with its -wal and -shm files; name the settings with --config for an older journal.",
    ),
    "E-RESCUE-REFUSED": (
        "The contract refuses the close; its reason is in the message. Nothing was changed.",
        "Look at the account with `hive-worker close --dry-run`.",
    ),
    "E-RESCUE-STATE": (
        "The account is in a state in which the step asked for does nothing.",
        "Do what the message says under next: wait, --finish, --claim or --late.",
    ),
    "E-RESCUE-USAGE": (
        "Options of `hive-worker close` do not fit together, or it was not confirmed.",
        "See `hive-worker close --help`; nothing was sent.",
    ),
    "E-RESCUE-WAITING": (
        "A transaction was sent and is not in a block yet.",
        "Run the command again later: it shows what the chain has by then.",
    ),
    "E-CHAIN-ABI": (
        "A call or an answer does not fit the contract's ABI.",
        "Use the release that matches the deployment; `hive chain check` compares them.",
    ),
    "E-CHAIN-CODE": (
        "The contract at an address is not the one of this release.",
        "Correct the address, or use the matching release; nothing was signed.",
    ),
    "E-CHAIN-ID": (
        "An RPC address belongs to another chain than the settings or the address book.",
        "Correct the URL, or chain_id.",
    ),
    "E-PERMIT": (
        "A permit to take money out is not safe to sign; the most that is safe is named.",
        "Ask for less, or close the account.",
    ),
    "E-RPC": (
        "Too few RPC addresses of the chain answer.",
        "Check --rpc or [chain] rpc_urls and the network; nothing is lost, run the command again.",
    ),
    "E-RPC-DISAGREE": (
        "RPC addresses give different answers to a question on which money depends.",
        "Nothing was signed; it is asked again. Remove the address that is wrong if this stays.",
    ),
    "E-TX-CAP": (
        "A transaction could cost more than a cap allows.",
        "Wait for lower fees, or raise fee_cap_tx_wei or fee_cap_day_wei.",
    ),
    "E-TX-EXPECT": (
        "A simulated call would do something else than expected.",
        "Look at the accounts, then run the command again; nothing was signed.",
    ),
    "E-TX-GAS": (
        "The sending account cannot pay for a transaction.",
        "Send it coin for gas; the command then goes on.",
    ),
    "E-TX-KEY": (
        "There is no transaction with that key.",
        "`hive chain status` lists those that are not final.",
    ),
    "E-TX-LIST": (
        "The signer may not call that function of that contract.",
        "Check the address in the settings; nothing was signed.",
    ),
    "E-TX-NONCE": (
        "Another transaction of the same account took this one's place: a second Queen, or the key used elsewhere.",
        "Find who else signs with this key, then run the command again.",
    ),
    "E-TX-REVERT": (
        "The contract refused a call; its own error is named.",
        "Read the reason; nothing was sent.",
    ),
    "E-TX-WAIT": (
        "A transaction is sent but in no block yet.",
        "Run the same command again; it sends the same bytes.",
    ),
    "E-TX-WRITER": (
        "Another process writes with this account now.",
        "Wait until it is done, then run the command again.",
    ),
    "E-GRID-LIMIT": (
        "No limit of the grid operator is in force, so there is none to clear.",
        "`hive limit show` tells what holds; [grid] of the settings is changed in the file.",
    ),
    "E-SERIES": (
        "A measured series is not the CSV it must be; file, line and column are named.",
        "First column ts_utc, ts_local or ts_clock, then one column of kWh per home; an empty cell is a gap.",
    ),
    "DRV-PROFILE": (
        "A profile of a meter or an inverter cannot be used; file and key are named.",
        "Correct the key as the message says; docs/hardware/modbus-profiles.md has the format.",
    ),
    "DRV-PACE": (
        "The devices of a Modbus line cannot all be asked within the period, or its time-out is too long for that.",
        "Shorten the time-out, lengthen the period, raise the speed or put devices on another line.",
    ),
    "DRV-LETGO": (
        "The process that would give the battery back does not run, so nothing is commanded.",
        "Start the service hive-letgo (hive-worker battery letgo) and look at let_go_socket in [battery].",
    ),
    "E-BATTERY-SIGN": (
        "No signed record of a passed sign test allows commands to this battery; the home is planned without it.",
        "Run hive-worker battery sign-test with the household's consent, then start the Worker again.",
    ),
    "E-SIGN-TEST": (
        "The sign test of a battery must not or cannot run now; nothing was written.",
        "Do what the message says: ask the household, stop or start the daemon, look at the meter.",
    ),
    "E-NOT-RUNNING": (
        "No daemon of these settings runs, so there is nothing live to show.",
        "Start it with hive-worker run, as the same user, and name the same settings with --config.",
    ),
    "E-SCAN": (
        "A running daemon uses the serial line that was to be scanned; nothing was sent.",
        "Stop the daemon, scan, start it again.",
    ),
    "DRV-CONTROL": (
        "A command to a battery or inverter that must not be given; nothing was written.",
        "Run the sign test of the commissioning, or choose the profile that fits the device.",
    ),
    "E-AUDIT": (
        "A Worker refused a question of an audit, or a finding about itself; nothing was disclosed for it.",
        "Read why in its log: a round it did not answer, too many in a day, or no signature of the Queen.",
    ),
}


def explain(code: str) -> dict[str, str] | None:
    """Meaning and next step of a code, or None."""
    found = _TABLE.get(code.upper())
    return None if found is None else {"meaning": found[0], "next": found[1]}


def codes() -> list[str]:
    """All codes that are explained."""
    return sorted(_TABLE)
