// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712Upgradeable} from "@openzeppelin/contracts-upgradeable/utils/cryptography/EIP712Upgradeable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ISettlementForBeekeeper} from "../interfaces/ISettlementForBeekeeper.sol";
import {Signature} from "../types/Messages.sol";
import {BeekeeperBase} from "./BeekeeperBase.sol";
import {MeterData, MeterInfo, MeterStatus} from "./BeekeeperTypes.sol";

/// @title The Meter List: certified meters, their owners and their status. Entries are never deleted.
/// @notice A MeterCertificate names the device, not its owner: who lists a meter first names the owner, so a
/// certifier may correct the owner as long as the meter is in no Hive.
abstract contract MeterListing is BeekeeperBase, EIP712Upgradeable {
    /// @notice Longest serial, manufacturer or model, bytes.
    uint256 public constant MAX_TEXT = 64;

    bytes32 private constant _CERTIFICATE_TYPEHASH = keccak256(
        "MeterCertificate(address meter,bytes32 serialHash,bytes32 manufacturer,bytes32 model,uint48 notAfter)"
    );

    /// @notice Lists a meter. Anyone may send it who has a certificate.
    /// @param serial hashed on chain, readable in the event only; manufacturer and model likewise
    /// @param notAfter last unix second at which the certificate may be used
    /// @param certificate over MeterCertificate, by a holder of CERTIFIER_ROLE
    function addMeter(
        address meter_,
        address owner,
        string calldata serial,
        string calldata manufacturer,
        string calldata model,
        uint48 notAfter,
        Signature calldata certificate
    ) external whenNotPaused {
        MeterData storage self = _storage().meters[meter_];
        if (meter_ == address(0) || owner == address(0)) revert ZeroAddress();
        if (self.owner != address(0)) revert MeterExists(meter_);
        if (block.timestamp > notAfter) revert CertificateExpired(notAfter);
        _limitText(serial, MAX_TEXT);
        _limitText(manufacturer, MAX_TEXT);
        _limitText(model, MAX_TEXT);
        self.owner = owner;
        self.status = MeterStatus.ONLINE;
        (self.listedAt, self.notAfter) = (uint48(block.timestamp), notAfter);
        self.serialHash = keccak256(bytes(serial));
        self.manufacturer = keccak256(bytes(manufacturer));
        self.model = keccak256(bytes(model));
        address certifier = _certifierOf(meter_, self, certificate);
        emit MeterAdded(meter_, owner, certifier, serial, manufacturer, model, notAfter);
    }

    /// @notice ONLINE, OFFLINE (a notice to others) or RETIRED (for ever: opens no account, joins no Hive).
    function setMeterStatus(address meter_, MeterStatus status) external {
        MeterData storage self = _meter(meter_);
        if (msg.sender != self.owner && !hasRole(CERTIFIER_ROLE, msg.sender)) {
            revert NotMeterKeeper(meter_, msg.sender);
        }
        if (status == MeterStatus.NONE) revert MeterStatusNotAllowed(status);
        _setMeterStatus(meter_, self, status);
    }

    /// @notice Retires a meter that a settlement contract has banned. Anyone may call.
    function retireBanned(address meter_) external {
        MeterData storage self = _meter(meter_);
        // Grows by vote only, with each new version of EnergySettlement.
        ISettlementForBeekeeper[] storage all = _storage().settlements;
        for (uint256 i = all.length; i > 0; --i) {
            if (all[i - 1].isBanned(meter_)) {
                _setMeterStatus(meter_, self, MeterStatus.RETIRED);
                return;
            }
        }
        revert NotBanned(meter_);
    }

    /// @notice Names a new owner, default payout address of accounts opened from now on: by the owner at any time,
    /// by a certifier while the meter is in no Hive.
    function setMeterOwner(address meter_, address owner) external {
        MeterData storage self = _meter(meter_);
        if (owner == address(0)) revert ZeroAddress();
        bool certifierMay = self.hive == 0 && hasRole(CERTIFIER_ROLE, msg.sender);
        if (msg.sender != self.owner && !certifierMay) revert NotMeterKeeper(meter_, msg.sender);
        self.owner = owner;
        emit MeterOwnerSet(meter_, owner);
    }

    /// @notice All that is known of a meter; all zero for an unknown one.
    function meter(address meter_) external view returns (MeterInfo memory) {
        MeterData storage self = _storage().meters[meter_];
        return MeterInfo({
            owner: self.owner,
            hive: self.hive,
            status: self.status,
            stake: self.stake,
            stakedSince: self.since,
            listedAt: self.listedAt,
            notAfter: self.notAfter,
            serialHash: self.serialHash,
            manufacturer: self.manufacturer,
            model: self.model,
            point: self.point
        });
    }

    /// @notice EIP-712 domain separator of MeterCertificates.
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _setMeterStatus(address meter_, MeterData storage self, MeterStatus status) private {
        if (self.status == MeterStatus.RETIRED) revert MeterIsRetired(meter_);
        self.status = status;
        emit MeterStatusSet(meter_, status);
    }

    function _certifierOf(address meter_, MeterData storage self, Signature calldata certificate)
        private
        view
        returns (address signer)
    {
        bytes32 hash = keccak256(
            abi.encode(
                _CERTIFICATE_TYPEHASH, meter_, self.serialHash, self.manufacturer, self.model, self.notAfter
            )
        );
        ECDSA.RecoverError failure;
        (signer, failure,) = ECDSA.tryRecover(_hashTypedDataV4(hash), certificate.r, certificate.vs);
        if (failure != ECDSA.RecoverError.NoError || !hasRole(CERTIFIER_ROLE, signer)) revert NotCertified(meter_);
    }
}
